// Who computes what, and until when: the table of leases.
//
// An item is offered to one worker at a time, with a fencing number and a deadline that the worker's
// messages push forward. A lease that is given back, fails or expires makes its item available again.
// When nothing is left to offer, an idle worker may double a lease that has run for long (a backup
// task). A result counts whichever lease it comes from, because results of one item are equal.
//
// Pure: no gRPC, no clock of its own (times are passed in), not thread safe.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

namespace shoal {

enum class ItemKind : uint8_t { kRollout = 0, kEvaluation = 1 };

// Names an item within a run. Offers are made in this order: rollouts before evaluations, then the
// older group (iteration or evaluation), then the smaller index (shard or scene).
struct ItemKey {
  ItemKind kind = ItemKind::kRollout;
  int64_t group = 0;
  int32_t index = 0;
  auto operator<=>(const ItemKey&) const = default;
};

using WorkerId = uint64_t;

struct LeaseGrant {
  uint64_t fencing = 0;
  ItemKey item;
};

// How a lease ended, or kActive.
enum class LeaseOutcome : uint8_t {
  kActive,
  kDone,       // first result of its item
  kDuplicate,  // a result, but another was first
  kFailed,     // the worker gave it back
  kExpired,    // its deadline passed
  kLost,       // the worker's stream ended
  kCancelled,  // the item was removed
};

inline constexpr LeaseOutcome kLeaseEnds[] = {
    LeaseOutcome::kDone,    LeaseOutcome::kDuplicate, LeaseOutcome::kFailed,
    LeaseOutcome::kExpired, LeaseOutcome::kLost,      LeaseOutcome::kCancelled};

const char* LeaseOutcomeName(LeaseOutcome outcome);

struct LeaseRecord {
  uint64_t fencing = 0;
  ItemKey item;
  WorkerId worker = 0;
  absl::Time offered_at;
  absl::Time deadline;
  absl::Time ended_at;
  LeaseOutcome outcome = LeaseOutcome::kActive;
};

struct LeaseOptions {
  // A worker silent for so long loses its leases.
  absl::Duration lease_time = absl::Seconds(10);
  // An item that failed is not offered again before this.
  absl::Duration retry_delay = absl::Milliseconds(200);
  // A backup task is offered once a lease has run this many times the median of finished ones...
  double backup_factor = 3.0;
  // ... and at least this long.
  absl::Duration backup_minimum = absl::Seconds(2);
};

class LeaseTable {
 public:
  // first_fencing must be greater than any number used in the run before.
  LeaseTable(const LeaseOptions& options, uint64_t first_fencing);

  // Makes an item available. An item that is known already is left as it is.
  void Add(const ItemKey& item);
  // Takes the item out, with all of its leases (kCancelled), done or not.
  void Remove(const ItemKey& item);
  // Removes every item of a group.
  void RemoveGroup(ItemKind kind, int64_t group);

  // A lease for this worker, or nothing. A worker is never given an item it holds already.
  std::optional<LeaseGrant> Offer(WorkerId worker, absl::Time now);
  // One more for a worker that has a rollout, to be begun after it: a rollout, while more than `reserve`
  // of them are left, so that nobody goes without for it. Evaluations are not given ahead: rollouts
  // that are planned meanwhile would wait behind them.
  std::optional<LeaseGrant> OfferAhead(WorkerId worker, size_t reserve, absl::Time now);

  // False: Offer has nothing for any worker now. True: it may have something for some.
  bool MayOffer(absl::Time now) const;

  // Pushes the deadlines of all leases of a worker forward.
  void Touch(WorkerId worker, absl::Time now);

  // The item a fencing number stands for, while the table remembers it (until its item is removed).
  std::optional<ItemKey> Find(uint64_t fencing) const;

  // The item that a lease was of which was cut short by the item's removal: its result may still
  // come. Only the latest kRetired are remembered.
  static constexpr size_t kRetired = 4096;
  std::optional<ItemKey> FindRetired(uint64_t fencing) const;

  // Who holds an active lease of the item, in order of offers.
  std::vector<WorkerId> Holders(const ItemKey& item) const;

  // A result came. True: the item was not done before. Other leases of the item stay active until
  // they end by themselves; their results are duplicates.
  bool Complete(uint64_t fencing, absl::Time now);
  // The worker could not do it. Returns how often the item has failed for a reason of its own
  // (`passes` false) since it was last done.
  int Fail(uint64_t fencing, bool passes, absl::Time now);
  // Makes a done item available again (its effect was lost).
  void Reopen(const ItemKey& item);

  // The worker is gone: its leases end as kLost. Returns how many.
  int WorkerGone(WorkerId worker, absl::Time now);
  // Ends leases whose deadline has passed. Returns how many.
  int Expire(absl::Time now);

  // Leases that ended since the last call, for the record.
  std::vector<LeaseRecord> TakeEnded();

  // Items nobody holds, and leases in force.
  int available() const { return static_cast<int>(available_[0].size() + available_[1].size()); }
  int active() const { return static_cast<int>(by_worker_.size()); }
  // Leases offered, and those that ended so, since the table was made.
  int64_t offered() const { return offered_; }
  int64_t ended(LeaseOutcome outcome) const { return ended_by_[static_cast<size_t>(outcome)]; }
  uint64_t next_fencing() const { return next_fencing_; }

 private:
  struct Item {
    bool done = false;
    int failures = 0;
    absl::Time not_before = absl::InfinitePast();
    std::vector<uint64_t> leases;  // all remembered, active or not
  };

  std::set<ItemKey>& Available(const ItemKey& item) { return available_[static_cast<int>(item.kind)]; }
  std::optional<LeaseGrant> OfferAvailable(ItemKind kind, WorkerId worker, absl::Time now);
  LeaseGrant Grant(ItemKey key, WorkerId worker, absl::Time now);
  // When the worker can have begun with it.
  absl::Time Begin(const LeaseRecord& lease) const;
  void NoteDuration(const LeaseRecord& lease, absl::Time now);
  void End(LeaseRecord& lease, LeaseOutcome outcome, absl::Time now);
  bool Holds(const Item& item, WorkerId worker) const;
  int ActiveLeases(const Item& item) const;
  std::optional<LeaseGrant> OfferBackup(WorkerId worker, absl::Time now);
  std::vector<uint64_t> LeasesOf(WorkerId worker) const;
  void MakeAvailableIfFree(const ItemKey& key);
  // Whether the item's active lease may be doubled has changed.
  void NoteDoublable(const Item& item);
  // Leases of this kind that are as old may be doubled.
  absl::Duration BackupAge(ItemKind kind) const;

  LeaseOptions options_;
  uint64_t next_fencing_;
  int64_t offered_ = 0;
  std::array<int64_t, 7> ended_by_{};  // by LeaseOutcome
  std::map<ItemKey, Item> items_;
  std::set<ItemKey> available_[2];  // By kind.
  absl::flat_hash_map<uint64_t, LeaseRecord> leases_;
  // The active ones among them by worker; and by kind, the oldest first, those that are the only active
  // one of an item that is not done. There may be a thousand of these, and many thousands that have
  // ended, so that nothing that happens at every message may look at all.
  std::set<std::pair<WorkerId, uint64_t>> by_worker_;
  std::set<std::pair<absl::Time, uint64_t>> doublable_[2];
  std::vector<LeaseRecord> ended_;
  std::map<uint64_t, ItemKey> retired_;
  // When a worker's latest lease ended: one that was offered before is taken to have begun then.
  absl::flat_hash_map<WorkerId, absl::Time> last_end_;
  // Durations of the latest finished leases by kind, for backup tasks.
  std::vector<absl::Duration> durations_[2];
  size_t next_duration_[2] = {0, 0};
  // Made when it is asked for; a finished lease changes it.
  mutable std::optional<absl::Duration> backup_age_[2];
};

}  // namespace shoal
