// The evaluations of a run that are not finished: their scenes, and the episodes that have come in.
// Pure; not thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shoal/v1/items.pb.h"

namespace shoal {

// What an evaluation plays. Each is a set of items of its own beside training.
struct EvaluationJob {
  // Number within the run, from 0; the order in which evaluations are judged.
  int64_t id = 0;
  // What it is for: "multi", "ordered", "final", "final_own", "best".
  std::string kind;
  // The version that plays, and the iteration that it is the evaluation of.
  int64_t iteration = 0;
  std::string policy_sha256;
  std::vector<uint64_t> seeds;
  int num_fish = 0;
  double escape_boost_speed = 0;
  double density_penalty_coef = 0;
};

class EvaluationBoard {
 public:
  enum class Verdict { kFirst, kRepeated, kMismatch, kUnknown };

  void Add(EvaluationJob job);

  v1::EvaluationItem Item(int64_t id, int index) const;
  bool Has(int64_t id, int index) const;
  // `worker`: whose record it is, in words.
  Verdict Accept(int64_t id, int index, const std::string& bytes, v1::EvaluationEpisode episode,
                 const std::string& worker);
  // Whose record is there; empty where none is.
  std::string Worker(int64_t id, int index) const;

  // The lowest-numbered evaluation, if all of its episodes are there: evaluations are judged in
  // order. Null if there is none.
  const EvaluationJob* Complete() const;
  std::vector<v1::EvaluationEpisode> Episodes(int64_t id) const;
  void Remove(int64_t id) { entries_.erase(id); }

  bool empty() const { return entries_.empty(); }
  // Iterations whose checkpoints are still needed.
  std::vector<int64_t> Iterations() const;

 private:
  struct Entry {
    EvaluationJob job;
    std::vector<std::string> bytes;  // empty: not there yet
    std::vector<v1::EvaluationEpisode> episodes;
    std::vector<std::string> workers;
    int done = 0;
  };
  std::map<int64_t, Entry> entries_;
};

}  // namespace shoal
