#include "coordinator/leases/lease_table.h"

#include <algorithm>
#include <limits>

namespace shoal {
namespace {

// Finished leases remembered by kind for the median.
constexpr size_t kDurations = 64;

}  // namespace

const char* LeaseOutcomeName(LeaseOutcome outcome) {
  switch (outcome) {
    case LeaseOutcome::kActive:
      return "active";
    case LeaseOutcome::kDone:
      return "done";
    case LeaseOutcome::kDuplicate:
      return "duplicate";
    case LeaseOutcome::kFailed:
      return "failed";
    case LeaseOutcome::kExpired:
      return "expired";
    case LeaseOutcome::kLost:
      return "lost";
    case LeaseOutcome::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

LeaseTable::LeaseTable(const LeaseOptions& options, uint64_t first_fencing)
    : options_(options), next_fencing_(first_fencing) {}

void LeaseTable::Add(const ItemKey& item) {
  if (items_.try_emplace(item).second) Available(item).insert(item);
}

void LeaseTable::Remove(const ItemKey& item) {
  auto found = items_.find(item);
  if (found == items_.end()) return;
  for (const uint64_t fencing : found->second.leases) {
    LeaseRecord& lease = leases_.at(fencing);
    // Its result may still come, also where the lease had expired.
    if (lease.outcome != LeaseOutcome::kDone && lease.outcome != LeaseOutcome::kDuplicate) {
      retired_[fencing] = item;
      if (retired_.size() > kRetired) retired_.erase(retired_.begin());
    }
    End(lease, LeaseOutcome::kCancelled, lease.offered_at);
  }
  for (const uint64_t fencing : found->second.leases) leases_.erase(fencing);
  Available(item).erase(item);
  items_.erase(found);
}

void LeaseTable::RemoveGroup(ItemKind kind, int64_t group) {
  auto it = items_.lower_bound(ItemKey{kind, group, std::numeric_limits<int32_t>::min()});
  while (it != items_.end() && it->first.kind == kind && it->first.group == group) {
    const ItemKey key = it->first;
    ++it;
    Remove(key);
  }
}

std::optional<LeaseGrant> LeaseTable::Offer(WorkerId worker, absl::Time now) {
  for (const ItemKind kind : {ItemKind::kRollout, ItemKind::kEvaluation}) {
    if (auto grant = OfferAvailable(kind, worker, now)) return grant;
  }
  return OfferBackup(worker, now);
}

std::optional<LeaseGrant> LeaseTable::OfferAhead(WorkerId worker, size_t reserve, absl::Time now) {
  if (available_[static_cast<int>(ItemKind::kRollout)].size() <= reserve) return std::nullopt;
  return OfferAvailable(ItemKind::kRollout, worker, now);
}

std::optional<LeaseGrant> LeaseTable::OfferAvailable(ItemKind kind, WorkerId worker, absl::Time now) {
  for (const ItemKey& key : available_[static_cast<int>(kind)]) {
    const Item& item = items_.at(key);
    if (item.not_before > now || Holds(item, worker)) continue;
    return Grant(key, worker, now);
  }
  return std::nullopt;
}

bool LeaseTable::MayOffer(absl::Time now) const {
  if (available() > 0) return true;
  for (const ItemKind kind : {ItemKind::kRollout, ItemKind::kEvaluation}) {
    const auto& oldest = doublable_[static_cast<int>(kind)];
    if (!oldest.empty() && now - oldest.begin()->first >= BackupAge(kind)) return true;
  }
  return false;
}

std::optional<LeaseGrant> LeaseTable::OfferBackup(WorkerId worker, absl::Time now) {
  const std::pair<absl::Time, uint64_t>* found = nullptr;
  for (const ItemKind kind : {ItemKind::kRollout, ItemKind::kEvaluation}) {
    for (const auto& lease : doublable_[static_cast<int>(kind)]) {
      // All that follow are younger still.
      if (now - lease.first < BackupAge(kind)) break;
      const LeaseRecord& record = leases_.at(lease.second);
      if (record.worker == worker || now - Begin(record) < BackupAge(kind)) continue;
      if (found == nullptr || lease < *found) found = &lease;
      break;
    }
  }
  if (found == nullptr) return std::nullopt;
  return Grant(leases_.at(found->second).item, worker, now);
}

// The key by value: callers name it by what is erased here.
LeaseGrant LeaseTable::Grant(ItemKey key, WorkerId worker, absl::Time now) {
  const uint64_t fencing = next_fencing_++;
  LeaseRecord& lease = leases_[fencing];
  lease.fencing = fencing;
  lease.item = key;
  lease.worker = worker;
  lease.offered_at = now;
  lease.deadline = now + options_.lease_time;
  Item& item = items_.at(key);
  item.leases.push_back(fencing);
  Available(key).erase(key);
  by_worker_.emplace(worker, fencing);
  NoteDoublable(item);
  ++offered_;
  return LeaseGrant{fencing, key};
}

void LeaseTable::Touch(WorkerId worker, absl::Time now) {
  for (auto it = by_worker_.lower_bound({worker, 0});
       it != by_worker_.end() && it->first == worker; ++it) {
    leases_.at(it->second).deadline = now + options_.lease_time;
  }
}

std::optional<ItemKey> LeaseTable::Find(uint64_t fencing) const {
  auto found = leases_.find(fencing);
  if (found == leases_.end()) return std::nullopt;
  return found->second.item;
}

std::optional<ItemKey> LeaseTable::FindRetired(uint64_t fencing) const {
  auto found = retired_.find(fencing);
  if (found == retired_.end()) return std::nullopt;
  return found->second;
}

std::vector<WorkerId> LeaseTable::Holders(const ItemKey& key) const {
  std::vector<WorkerId> holders;
  auto found = items_.find(key);
  if (found == items_.end()) return holders;
  for (uint64_t fencing : found->second.leases) {
    const LeaseRecord& lease = leases_.at(fencing);
    if (lease.outcome == LeaseOutcome::kActive) holders.push_back(lease.worker);
  }
  return holders;
}

bool LeaseTable::Complete(uint64_t fencing, absl::Time now) {
  auto found = leases_.find(fencing);
  if (found == leases_.end()) return false;
  LeaseRecord& lease = found->second;
  Item& item = items_.at(lease.item);
  const bool first = !item.done;
  if (lease.outcome == LeaseOutcome::kActive) NoteDuration(lease, now);
  End(lease, first ? LeaseOutcome::kDone : LeaseOutcome::kDuplicate, now);
  item.done = true;
  item.failures = 0;
  NoteDoublable(item);
  Available(lease.item).erase(lease.item);
  return first;
}

absl::Time LeaseTable::Begin(const LeaseRecord& lease) const {
  auto last = last_end_.find(lease.worker);
  return last == last_end_.end() ? lease.offered_at : std::max(last->second, lease.offered_at);
}

void LeaseTable::NoteDuration(const LeaseRecord& lease, absl::Time now) {
  const int kind = static_cast<int>(lease.item.kind);
  // The clock may have been set back since.
  const absl::Duration duration = std::max(absl::ZeroDuration(), now - Begin(lease));
  auto& durations = durations_[kind];
  if (durations.size() < kDurations) {
    durations.push_back(duration);
  } else {
    durations[next_duration_[kind] % kDurations] = duration;
  }
  ++next_duration_[kind];
  backup_age_[kind].reset();
}

int LeaseTable::Fail(uint64_t fencing, bool passes, absl::Time now) {
  auto found = leases_.find(fencing);
  if (found == leases_.end()) return 0;
  LeaseRecord& lease = found->second;
  Item& item = items_.at(lease.item);
  End(lease, LeaseOutcome::kFailed, now);
  if (item.done) return 0;
  item.not_before = now + options_.retry_delay;
  MakeAvailableIfFree(lease.item);
  if (!passes) ++item.failures;
  return item.failures;
}

void LeaseTable::Reopen(const ItemKey& key) {
  auto found = items_.find(key);
  if (found == items_.end()) {
    Add(key);
    return;
  }
  found->second.done = false;
  NoteDoublable(found->second);
  MakeAvailableIfFree(key);
}

int LeaseTable::WorkerGone(WorkerId worker, absl::Time now) {
  const std::vector<uint64_t> lost = LeasesOf(worker);
  for (uint64_t fencing : lost) {
    LeaseRecord& lease = leases_.at(fencing);
    End(lease, LeaseOutcome::kLost, now);
    MakeAvailableIfFree(lease.item);
  }
  last_end_.erase(worker);
  return static_cast<int>(lost.size());
}

int LeaseTable::Expire(absl::Time now) {
  std::vector<uint64_t> expired;
  for (const auto& [worker, fencing] : by_worker_) {
    if (leases_.at(fencing).deadline <= now) expired.push_back(fencing);
  }
  std::sort(expired.begin(), expired.end());
  for (uint64_t fencing : expired) {
    LeaseRecord& lease = leases_.at(fencing);
    End(lease, LeaseOutcome::kExpired, now);
    MakeAvailableIfFree(lease.item);
  }
  return static_cast<int>(expired.size());
}

std::vector<LeaseRecord> LeaseTable::TakeEnded() {
  std::vector<LeaseRecord> ended;
  ended.swap(ended_);
  return ended;
}

void LeaseTable::End(LeaseRecord& lease, LeaseOutcome outcome, absl::Time now) {
  if (lease.outcome != LeaseOutcome::kActive) return;
  lease.outcome = outcome;
  lease.ended_at = now;
  by_worker_.erase({lease.worker, lease.fencing});
  // What the worker of an item that was taken out does, nobody knows.
  if (outcome != LeaseOutcome::kCancelled) last_end_[lease.worker] = now;
  NoteDoublable(items_.at(lease.item));
  ++ended_by_[static_cast<size_t>(outcome)];
  ended_.push_back(lease);
}

bool LeaseTable::Holds(const Item& item, WorkerId worker) const {
  return std::any_of(item.leases.begin(), item.leases.end(), [&](uint64_t fencing) {
    const LeaseRecord& lease = leases_.at(fencing);
    return lease.worker == worker && lease.outcome == LeaseOutcome::kActive;
  });
}

int LeaseTable::ActiveLeases(const Item& item) const {
  return static_cast<int>(
      std::count_if(item.leases.begin(), item.leases.end(), [&](uint64_t fencing) {
        return leases_.at(fencing).outcome == LeaseOutcome::kActive;
      }));
}

void LeaseTable::MakeAvailableIfFree(const ItemKey& key) {
  const Item& item = items_.at(key);
  if (!item.done && ActiveLeases(item) == 0) Available(key).insert(key);
}

std::vector<uint64_t> LeaseTable::LeasesOf(WorkerId worker) const {
  std::vector<uint64_t> leases;
  for (auto it = by_worker_.lower_bound({worker, 0});
       it != by_worker_.end() && it->first == worker; ++it) {
    leases.push_back(it->second);
  }
  return leases;
}

void LeaseTable::NoteDoublable(const Item& item) {
  const bool alone = !item.done && ActiveLeases(item) == 1;
  for (const uint64_t fencing : item.leases) {
    const LeaseRecord& lease = leases_.at(fencing);
    auto& doublable = doublable_[static_cast<int>(lease.item.kind)];
    if (alone && lease.outcome == LeaseOutcome::kActive) {
      doublable.emplace(lease.offered_at, fencing);
    } else {
      doublable.erase({lease.offered_at, fencing});
    }
  }
}

absl::Duration LeaseTable::BackupAge(ItemKind kind) const {
  std::optional<absl::Duration>& age = backup_age_[static_cast<int>(kind)];
  if (!age) {
    age = options_.backup_minimum;
    std::vector<absl::Duration> finished = durations_[static_cast<int>(kind)];
    if (!finished.empty()) {
      const auto median = finished.begin() + static_cast<int64_t>(finished.size() / 2);
      std::nth_element(finished.begin(), median, finished.end());
      age = std::max(*age, *median * options_.backup_factor);
    }
  }
  return *age;
}

}  // namespace shoal
