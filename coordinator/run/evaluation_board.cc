#include "coordinator/run/evaluation_board.h"

#include <utility>

namespace shoal {

void EvaluationBoard::Add(EvaluationJob job) {
  Entry entry;
  entry.bytes.resize(job.seeds.size());
  entry.episodes.resize(job.seeds.size());
  entry.workers.resize(job.seeds.size());
  entry.job = std::move(job);
  const int64_t id = entry.job.id;
  entries_.emplace(id, std::move(entry));
}

v1::EvaluationItem EvaluationBoard::Item(int64_t id, int index) const {
  const EvaluationJob& job = entries_.at(id).job;
  v1::EvaluationItem item;
  item.set_evaluation(id);
  item.set_index(index);
  item.set_seed(job.seeds[index]);
  item.set_num_fish(job.num_fish);
  item.set_escape_boost_speed(job.escape_boost_speed);
  item.set_policy_sha256(job.policy_sha256);
  return item;
}

bool EvaluationBoard::Has(int64_t id, int index) const {
  auto found = entries_.find(id);
  return found != entries_.end() && !found->second.bytes[index].empty();
}

EvaluationBoard::Verdict EvaluationBoard::Accept(int64_t id, int index, const std::string& bytes,
                                                 v1::EvaluationEpisode episode,
                                                 const std::string& worker) {
  auto found = entries_.find(id);
  if (found == entries_.end() || index < 0 ||
      index >= static_cast<int>(found->second.bytes.size())) {
    return Verdict::kUnknown;
  }
  Entry& entry = found->second;
  if (!entry.bytes[index].empty()) {
    return entry.bytes[index] == bytes ? Verdict::kRepeated : Verdict::kMismatch;
  }
  entry.bytes[index] = bytes;
  entry.episodes[index] = std::move(episode);
  entry.workers[index] = worker;
  ++entry.done;
  return Verdict::kFirst;
}

std::string EvaluationBoard::Worker(int64_t id, int index) const {
  auto found = entries_.find(id);
  return found == entries_.end() ? "" : found->second.workers[index];
}

const EvaluationJob* EvaluationBoard::Complete() const {
  if (entries_.empty()) return nullptr;
  const Entry& first = entries_.begin()->second;
  return first.done == static_cast<int>(first.bytes.size()) ? &first.job : nullptr;
}

std::vector<v1::EvaluationEpisode> EvaluationBoard::Episodes(int64_t id) const {
  return entries_.at(id).episodes;
}

std::vector<int64_t> EvaluationBoard::Iterations() const {
  std::vector<int64_t> iterations;
  for (const auto& [id, entry] : entries_) iterations.push_back(entry.job.iteration);
  return iterations;
}

}  // namespace shoal
