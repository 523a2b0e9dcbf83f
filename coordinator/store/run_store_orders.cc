// Orders that people gave while the run was on.
#include "absl/strings/str_cat.h"
#include "coordinator/store/digest.h"
#include "coordinator/store/run_store.h"
#include "coordinator/store/schema.h"

namespace shoal {
namespace {

std::string DigestOf(int64_t id, const std::string& body) {
  return Digest({absl::StrCat(id), body});
}

}  // namespace

absl::Status RunStore::AddOrder(const v1::Order& order) {
  absl::StatusOr<Transaction> transaction = Transaction::Begin(database_);
  if (!transaction.ok()) return transaction.status();
  absl::Status status = database_.Execute(
      absl::StrCat(kOrdersTable, "PRAGMA user_version = ", kSchemaVersionWithOrders, ";"));
  if (!status.ok()) return status;
  absl::StatusOr<Statement> before = database_.Prepare(
      "SELECT coalesce(max(id), 0), coalesce(sum(request_id = ?), 0) FROM orders");
  if (!before.ok()) return before.status();
  absl::StatusOr<bool> row = before->BindText(1, order.request_id()).Step();
  if (!row.ok()) return row.status();
  if (!*row || order.id() != before->Int(0) + 1 || before->Int(1) != 0) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 absl::StrCat("order ", order.id(), " (request ", order.request_id(),
                              ") cannot follow order ", before->Int(0)));
  }
  absl::StatusOr<Statement> insert = database_.Prepare(
      "INSERT INTO orders (id, request_id, body, xxh3) VALUES (?, ?, ?, ?)");
  if (!insert.ok()) return insert.status();
  const std::string body = order.SerializeAsString();
  status = insert->Bind(1, order.id())
               .BindText(2, order.request_id())
               .BindBlob(3, body)
               .BindText(4, DigestOf(order.id(), body))
               .Run();
  return status.ok() ? transaction->Commit() : status;
}

absl::Status RunStore::UpdateOrder(const v1::Order& order) {
  absl::StatusOr<Statement> update =
      database_.Prepare("UPDATE orders SET body = ?, xxh3 = ? WHERE id = ? AND request_id = ?");
  if (!update.ok()) return update.status();
  const std::string body = order.SerializeAsString();
  return update->BindBlob(1, body)
      .BindText(2, DigestOf(order.id(), body))
      .Bind(3, order.id())
      .BindText(4, order.request_id())
      .Run();
}

absl::StatusOr<std::vector<v1::Order>> RunStore::Orders() const {
  std::vector<v1::Order> orders;
  absl::StatusOr<bool> any = HasTable("orders");
  if (!any.ok()) return any.status();
  if (!*any) return orders;
  absl::StatusOr<Statement> query = database_.Prepare("SELECT id, body FROM orders ORDER BY id");
  if (!query.ok()) return query.status();
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return orders;
    if (!orders.emplace_back().ParseFromString(query->Blob(1)) ||
        orders.back().id() != query->Int(0)) {
      return Error(absl::StatusCode::kDataLoss,
                   absl::StrCat("order ", query->Int(0), " cannot be read"));
    }
  }
}

absl::Status RunStore::CheckOrders() const {
  absl::StatusOr<bool> any = HasTable("orders");
  if (!any.ok()) return any.status();
  if (!*any) return absl::OkStatus();
  return CheckRows("SELECT id, body, xxh3 FROM orders", [](const Statement& row) {
    return DigestOf(row.Int(0), row.Blob(1)) == row.Text(2) ? ""
                                                            : absl::StrCat("order ", row.Int(0));
  });
}

}  // namespace shoal
