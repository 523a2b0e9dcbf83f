// The evaluations of a run: which are due, their scenes, and what follows from their results (the
// gate's answer, the best checkpoint). Judged in the order of their numbers, whenever they end.
// Pure but for the store; not thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/evaluation/best_checkpoint.h"
#include "coordinator/evaluation/summary.h"
#include "coordinator/leases/lease_table.h"
#include "coordinator/run/background.h"
#include "coordinator/run/evaluation_board.h"
#include "coordinator/run/planner.h"
#include "coordinator/store/run_store.h"
#include "nlohmann/json_fwd.hpp"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/items.pb.h"

namespace shoal {

class Evaluations {
 public:
  // All must outlive this.
  Evaluations(const v1::RunOptions& options, Planner* planner, SharedStore store,
              LeaseTable* leases);

  // Judges what the store has of finished evaluations, so that gate and best checkpoint stand as
  // they did.
  absl::Status Restore();

  // Makes the evaluations that are due after this many committed iterations and are not made yet;
  // one that was pending at a restart goes on with the scenes that are stored. `ordered`: the
  // iterations that people asked for (OrderBook::Evaluated), ascending; how each of them ends up
  // depends on nothing but its number, so that a run that is resumed makes the same ones.
  absl::Status MakeDue(int64_t committed, const std::vector<int64_t>& ordered, absl::Time now);

  v1::EvaluationItem Item(const ItemKey& key) const { return board_.Item(key.group, key.index); }
  // A scene's record came in; the first is stored. InvalidArgument: it is no such record.
  absl::StatusOr<EvaluationBoard::Verdict> Accept(const ItemKey& key, const std::string& bytes,
                                                  const std::string& worker);
  // Whose record of the scene is there, in words; empty: none.
  std::string Worker(const ItemKey& key) const { return board_.Worker(key.group, key.index); }

  // Judges the evaluations that are complete. True: at least one was.
  absl::StatusOr<bool> JudgeComplete(absl::Time now);

  // All multi-evaluations up to this iteration are judged.
  int64_t judged_iteration() const { return judged_iteration_; }
  // Nothing is left to play.
  bool idle() const { return board_.empty(); }
  // Checkpoints that must stay: of evaluations to come, and the best.
  std::vector<int64_t> NeededIterations() const;
  // 0: none satisfied the limits yet.
  int64_t best_iteration() const { return best_.best() ? best_.best()->iteration : 0; }

  // For progress.
  int done() const { return done_; }
  double last_survival() const { return last_survival_; }
  int64_t last_iteration() const { return last_iteration_; }
  const std::string& last_gate_event() const { return last_gate_event_; }
  // What the last evaluation found, and the gate answered to the last that it was asked about.
  const std::optional<EvaluationSummary>& last_summary() const { return last_summary_; }
  const std::optional<GateRecord>& last_gate() const { return last_gate_; }

 private:
  // One beside training.
  struct Due {
    int64_t iteration;
    bool ordered;
  };
  absl::Status Make(EvaluationJob job, absl::Time now);
  absl::Status LoadScenes(int64_t id);
  // In the order of their numbers, from 0.
  std::vector<Due> DueUpTo(int64_t committed, const std::vector<int64_t>& ordered) const;
  EvaluationJob JobOf(int64_t id, const Due& due) const;
  // The jobs after the last iteration, once everything before is judged; numbered from `first` on.
  std::vector<EvaluationJob> FinalJobs(int64_t total, int64_t first) const;
  // What follows from a finished evaluation; the gate's record, or null where it is not asked.
  absl::StatusOr<nlohmann::ordered_json> Apply(const std::string& kind, int64_t iteration,
                                               const EvaluationSummary& summary);
  int64_t MultiCount(int64_t committed) const;

  v1::RunOptions options_;
  Planner* planner_;
  SharedStore store_;
  LeaseTable* leases_;
  EvaluationBoard board_;
  BestCheckpoint best_;
  int64_t made_ = 0;  // evaluations made so far; their numbers are 0..made_ - 1
  int64_t judged_iteration_ = 0;
  int done_ = 0;
  double last_survival_ = -1;
  int64_t last_iteration_ = 0;
  std::string last_gate_event_;
  std::optional<EvaluationSummary> last_summary_;
  std::optional<GateRecord> last_gate_;
};

}  // namespace shoal
