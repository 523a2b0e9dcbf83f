// Orders that people give while a run is on. Input: a byte for SmallOptions, then one frame an Order; after
// each an iteration is planned or not, as its last byte says.
#include <algorithm>

#include "coordinator/run/orders.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/small_run.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

constexpr int kMostTaken = 50;

// As RunLoop takes an order: only where the planner takes every set of options that follows.
bool PlannerTakes(const OrderBook& book, const v1::Order& order, const Planner& planner) {
  if (order.kind() != v1::Order::KIND_SET) return true;
  for (const v1::RunOptions& options : book.OptionsFollowing(order)) {
    const absl::Status status = planner.CheckOptions(options);
    RequireWords(status);
    if (!status.ok()) return false;
  }
  return true;
}

void PlanOne(int64_t iteration, OrderBook* book, Planner* planner) {
  const auto acting = book->ActingAt(iteration);
  for (const v1::Order& order : acting) {
    Require(order.iteration() == iteration, "an order acts with the plan that it is given to");
  }
  RequireOk(ApplyOrders(*book, iteration, *planner), "orders that were taken are applied");
  // Later ones need what their rollouts said.
  if (iteration == 1) (void)planner->Plan(iteration);
  book->Took(iteration, acting);
  (void)book->KeepsCheckpoint(iteration);
  Require(book->next_plan() == iteration + 1, "a plan is made once");
}

void Give(std::string_view frame, OrderBook* book, const Planner& planner) {
  v1::Order order;
  if (!fuzzing::ParseMessage(frame, &order)) return;
  const auto checked = book->Check(order, planner.total_iterations());
  RequireWords(checked.status());
  if (!checked.ok() || checked->id() != book->next_id()) return;
  Require(!OrderText(*checked).empty(), "an order can be said");
  if (!PlannerTakes(*book, *checked, planner)) return;
  book->Add(*checked);
  const auto again = book->Check(order, planner.total_iterations());
  RequireOk(again.status(), "an order that is given again");
  Require(again->id() == checked->id(), "is the same order");
}

void TestOneInput(std::string_view bytes) {
  const v1::RunOptions options = fuzzing::SmallOptions(fuzzing::TakeByte(&bytes));
  const auto planner = fuzzing::SmallPlanner(options);
  OrderBook book(options, {}, 0);
  for (int i = 0; i < kMostTaken && !bytes.empty() && book.next_plan() <= planner->total_iterations(); ++i) {
    const std::string_view frame = fuzzing::TakeFrame(&bytes);
    Give(frame, &book, *planner);
    if (!frame.empty() && (frame.back() & 1) != 0) PlanOne(book.next_plan(), &book, planner.get());
  }
  if (book.next_plan() <= planner->total_iterations()) PlanOne(book.next_plan(), &book, planner.get());
  const auto evaluated = book.Evaluated();
  Require(std::is_sorted(evaluated.begin(), evaluated.end()), "evaluated iterations ascend");
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
