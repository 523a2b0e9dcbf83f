#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/store/digest.h"
#include "coordinator/store/run_store.h"

namespace shoal {
namespace {

std::string EvaluationDigest(const EvaluationRow& row, absl::string_view summary,
                             std::optional<absl::string_view> gate_event) {
  return Digest({absl::StrCat(row.id), row.kind, absl::StrCat(row.iteration), row.spec, summary,
                 gate_event.has_value() ? "gate" : "", gate_event.value_or("")});
}

std::string SceneDigest(int64_t evaluation, int64_t scene, absl::string_view record) {
  return Digest({absl::StrCat(evaluation), absl::StrCat(scene), record});
}

// One evaluation's scenes in order: scene, record, worker, xxh3. Whoever checks reads every column that
// is read later: a damaged row may be whole up to its last.
absl::StatusOr<Statement> PrepareScenes(const Database& database) {
  // Tools read an older run.db as it is.
  absl::StatusOr<int64_t> kept = database.QueryInt(
      "SELECT count(*) FROM pragma_table_info('evaluation_episodes') WHERE name = 'worker'");
  if (!kept.ok()) return kept.status();
  return database.Prepare(
      absl::StrCat("SELECT scene, record, ", *kept > 0 ? "worker" : "''",
                   ", xxh3 FROM evaluation_episodes WHERE evaluation = ? ORDER BY scene"));
}

}  // namespace

absl::StatusOr<std::vector<EvaluationRow>> RunStore::QueryEvaluations(absl::string_view condition,
                                                                      int64_t argument) const {
  absl::StatusOr<Statement> query = database_.Prepare(absl::StrCat(
      "SELECT e.id, e.kind, e.iteration, e.spec, e.created_at, e.finished_at, e.summary, g.event "
      "FROM evaluations e LEFT JOIN gate_events g ON g.evaluation = e.id WHERE ",
      condition, " ORDER BY e.id"));
  if (!query.ok()) return query.status();
  query->Bind(1, argument);
  std::vector<EvaluationRow> rows;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return rows;
    EvaluationRow& evaluation = rows.emplace_back();
    evaluation.id = query->Int(0);
    evaluation.kind = query->Text(1);
    evaluation.iteration = query->Int(2);
    evaluation.spec = query->Text(3);
    evaluation.created_at = absl::FromUnixMicros(query->Int(4));
    if (const std::optional<int64_t> finished = query->OptionalInt(5)) {
      evaluation.finished_at = absl::FromUnixMicros(*finished);
    }
    evaluation.summary = query->Text(6);
    if (!query->IsNull(7)) evaluation.gate_event = query->Text(7);
  }
}

absl::StatusOr<EvaluationRow> RunStore::LoadEvaluation(int64_t evaluation) const {
  absl::StatusOr<std::vector<EvaluationRow>> rows = QueryEvaluations("e.id = ?", evaluation);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) {
    return Error(absl::StatusCode::kNotFound, absl::StrCat("there is no evaluation ", evaluation));
  }
  return std::move(rows->front());
}

absl::StatusOr<std::vector<EvaluationRow>> RunStore::PendingEvaluations() const {
  return QueryEvaluations("e.status = 'pending' AND e.id >= ?", 0);
}

absl::StatusOr<std::vector<EvaluationRow>> RunStore::FinishedEvaluations() const {
  return QueryEvaluations("e.status = 'finished' AND e.id >= ?", 0);
}

absl::Status RunStore::AddEvaluation(const EvaluationRow& evaluation) {
  absl::StatusOr<int64_t> count = database_.QueryInt("SELECT count(*) FROM evaluations");
  if (!count.ok()) return count.status();
  if (evaluation.id < 0 || evaluation.id > *count) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 absl::StrCat("evaluation ", evaluation.id, " cannot be added to ", *count,
                              " evaluations; ids count from 0"));
  }
  if (evaluation.id < *count) {
    absl::StatusOr<EvaluationRow> saved = LoadEvaluation(evaluation.id);
    if (!saved.ok()) return saved.status();
    if (saved->kind == evaluation.kind && saved->iteration == evaluation.iteration &&
        saved->spec == evaluation.spec) {
      return absl::OkStatus();
    }
    return Error(absl::StatusCode::kAlreadyExists,
                 absl::StrCat("evaluation ", evaluation.id, " is there already, as ", saved->kind,
                              " of iteration ", saved->iteration, " (", saved->spec, "), not ",
                              evaluation.kind, " of iteration ", evaluation.iteration, " (",
                              evaluation.spec, ")"));
  }
  absl::StatusOr<Statement> insert = database_.Prepare(
      "INSERT INTO evaluations (id, kind, iteration, spec, status, created_at, xxh3) "
      "VALUES (?, ?, ?, ?, 'pending', ?, ?)");
  if (!insert.ok()) return insert.status();
  return insert->Bind(1, evaluation.id)
      .BindText(2, evaluation.kind)
      .Bind(3, evaluation.iteration)
      .BindText(4, evaluation.spec)
      .Bind(5, absl::ToUnixMicros(evaluation.created_at))
      .BindText(6, EvaluationDigest(evaluation, "", std::nullopt))
      .Run();
}

absl::Status RunStore::SaveEvaluationScene(int64_t evaluation, int32_t scene,
                                           absl::string_view record, absl::string_view worker) {
  absl::StatusOr<EvaluationRow> row = LoadEvaluation(evaluation);
  if (!row.ok()) return row.status();
  absl::StatusOr<Statement> query = database_.Prepare(
      "SELECT record FROM evaluation_episodes WHERE evaluation = ? AND scene = ?");
  if (!query.ok()) return query.status();
  absl::StatusOr<bool> found = query->Bind(1, evaluation).Bind(2, int64_t{scene}).Step();
  if (!found.ok()) return found.status();
  if (*found) {
    if (query->Blob(0) == record) return absl::OkStatus();
    return Error(absl::StatusCode::kAlreadyExists,
                 absl::StrCat("evaluation ", evaluation, ", scene ", scene,
                              " has another record already: two actors that should agree do not"));
  }
  if (row->finished_at.has_value()) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 absl::StrCat("evaluation ", evaluation, " is finished"));
  }
  absl::StatusOr<Statement> insert = database_.Prepare(
      "INSERT INTO evaluation_episodes (evaluation, scene, record, xxh3, worker) "
      "VALUES (?, ?, ?, ?, ?)");
  if (!insert.ok()) return insert.status();
  return insert->Bind(1, evaluation)
      .Bind(2, int64_t{scene})
      .BindBlob(3, record)
      .BindText(4, SceneDigest(evaluation, scene, record))
      .BindText(5, worker)
      .Run();
}

absl::StatusOr<std::vector<EvaluationScene>> RunStore::LoadEvaluationScenes(
    int64_t evaluation) const {
  absl::StatusOr<Statement> query = PrepareScenes(database_);
  if (!query.ok()) return query.status();
  query->Bind(1, evaluation);
  std::vector<EvaluationScene> scenes;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return scenes;
    scenes.push_back({static_cast<int32_t>(query->Int(0)), query->Blob(1), query->Text(2)});
  }
}

absl::Status RunStore::FinishEvaluation(int64_t evaluation, absl::string_view summary,
                                        std::optional<absl::string_view> gate_event,
                                        absl::Time finished_at) {
  absl::StatusOr<Transaction> transaction = Transaction::Begin(database_);
  if (!transaction.ok()) return transaction.status();
  absl::StatusOr<EvaluationRow> row = LoadEvaluation(evaluation);
  if (!row.ok()) return row.status();
  if (row->finished_at.has_value()) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 absl::StrCat("evaluation ", evaluation, " is finished already"));
  }
  absl::StatusOr<std::vector<EvaluationRow>> earlier =
      QueryEvaluations("e.status = 'pending' AND e.id < ?", evaluation);
  if (!earlier.ok()) return earlier.status();
  for (const EvaluationRow& other : *earlier) {
    if (row->kind != kMultiEvaluation || other.kind != kMultiEvaluation) continue;
    return Error(absl::StatusCode::kFailedPrecondition,
                 absl::StrCat("evaluation ", evaluation, " cannot finish before ", other.id,
                              ": the gate takes them in order"));
  }
  absl::StatusOr<int64_t> sequence = TakeSequence();
  if (!sequence.ok()) return sequence.status();
  absl::StatusOr<Statement> update = database_.Prepare(
      "UPDATE evaluations SET status = 'finished', sequence = ?, summary = ?, finished_at = ?, "
      "xxh3 = ? WHERE id = ?");
  if (!update.ok()) return update.status();
  absl::Status status = update->Bind(1, *sequence)
                            .BindText(2, summary)
                            .Bind(3, absl::ToUnixMicros(finished_at))
                            .BindText(4, EvaluationDigest(*row, summary, gate_event))
                            .Bind(5, evaluation)
                            .Run();
  if (!status.ok()) return status;
  if (gate_event.has_value()) {
    absl::StatusOr<Statement> insert = database_.Prepare(
        "INSERT INTO gate_events (evaluation, iteration, event) VALUES (?, ?, ?)");
    if (!insert.ok()) return insert.status();
    status = insert->Bind(1, evaluation).Bind(2, row->iteration).BindText(3, *gate_event).Run();
    if (!status.ok()) return status;
  }
  return transaction->Commit();
}

absl::Status RunStore::CheckEvaluations() const {
  absl::StatusOr<std::vector<EvaluationRow>> rows = QueryEvaluations("e.id >= ?", 0);
  if (!rows.ok()) return rows.status();
  absl::StatusOr<Statement> query =
      database_.Prepare("SELECT xxh3 FROM evaluations WHERE id = ?");
  if (!query.ok()) return query.status();
  absl::StatusOr<Statement> scenes = PrepareScenes(database_);
  if (!scenes.ok()) return scenes.status();
  for (const EvaluationRow& row : *rows) {
    query->Reset();
    absl::StatusOr<bool> there = query->Bind(1, row.id).Step();
    if (!there.ok()) return there.status();
    std::optional<absl::string_view> gate_event;
    if (row.gate_event.has_value()) gate_event = *row.gate_event;
    if (query->Text(0) != EvaluationDigest(row, row.summary, gate_event)) {
      return Damaged(absl::StrCat("evaluation ", row.id));
    }
    scenes->Reset();
    scenes->Bind(1, row.id);
    while (true) {
      absl::StatusOr<bool> scene = scenes->Step();
      if (!scene.ok()) return scene.status();
      if (!*scene) break;
      if (scenes->Text(3) != SceneDigest(row.id, scenes->Int(0), scenes->Blob(1))) {
        return Damaged(absl::StrCat("evaluation ", row.id, ", scene ", scenes->Int(0)));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace shoal
