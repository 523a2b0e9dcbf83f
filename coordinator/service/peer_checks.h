// What peers say, checked before the run hears it: texts that people will see, and answers to leases.
// The run ends when a record contradicts it, so whatever a single message can show to be wrong must
// stop here, and costs nobody but its sender.
//
// No gRPC, no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/v1/learner.pb.h"
#include "shoal/v1/worker.pb.h"

namespace shoal {

// Names, builds, addresses: bytes of each field of a hello. Free text that is longer is cut.
inline constexpr size_t kMaxHelloField = 256;
inline constexpr size_t kMaxText = 2000;

// InvalidArgument: a field that is too long or not printable, by name.
absl::Status CheckHello(const v1::WorkerHello& hello);
absl::Status CheckHello(const v1::LearnerHello& hello);

// Makes free text fit for people. InvalidArgument: a message that is none of those that may follow
// the hello (a second hello, a kind that this build does not know), or a value that cannot be.
absl::Status CheckMessage(v1::WorkRequest& message);
absl::Status CheckMessage(v1::LearnRequest& message);

// The most bytes that a WorkRequest with the result of this lease can have: states and, for every
// environment, as many episodes as there are steps, in each of which all fish die at once. At most
// the limit of gRPC itself, 64 MiB; about 7.5 MiB for the default options.
size_t MaxAnswerBytes(const v1::Lease& lease, int64_t n_steps);

// InvalidArgument: the record is not one of the lease's item, or cannot be. *parsed: that of a rollout.
absl::Status CheckRecord(const v1::Lease& lease, const v1::WorkResult& result,
                         v1::RolloutRecord* parsed);

// The leases that one stream was given and has not answered. Not thread safe.
class LeaseBook {
 public:
  void Given(const v1::Lease& lease, int64_t n_steps);

  bool empty() const { return leases_.empty(); }
  // Of the largest answer that may come; 0: none may.
  size_t max_bytes() const;

  // A result or failure: its lease is answered with it and leaves the book. InvalidArgument: this
  // stream has no such lease (any more).
  absl::StatusOr<v1::Lease> Take(const v1::WorkRequest& message);

 private:
  struct Entry {
    v1::Lease lease;  // What CheckRecord looks at.
    size_t max_bytes = 0;
  };
  std::map<uint64_t, Entry> leases_;  // By fencing number.
};

// What a learner was sent on one stream and has not answered. Not thread safe.
class LearnerBook {
 public:
  void Sent(const v1::LearnResponse& response);

  // That an answer may have beyond a small message: the shards of an update, the versions of a run.
  size_t max_bytes() const;

  // True: the message answers something, which is answered with it. False: it answers nothing.
  // InvalidArgument: it answers a welcome that is answered already, or names another checkpoint than
  // that of the welcome.
  absl::StatusOr<bool> Take(const v1::LearnRequest& message);

 private:
  // The iteration of a welcome without an answer.
  std::optional<int64_t> welcome_;
  int64_t updates_ = 0;
  int64_t shards_ = 0;
  int64_t retains_ = 0;
};

}  // namespace shoal
