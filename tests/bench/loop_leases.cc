#include "tests/bench/loop_leases.h"

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/version.h"
#include "coordinator/run/run_loop.h"
#include "coordinator/service/peer_checks.h"
#include "tests/bench/bench_programs.h"
#include "tests/run/fakes.h"

namespace shoal {
namespace {

class Actor;
// Leases on their way, serialized, in the order of their sending.
using Wire = std::deque<std::pair<Actor*, std::string>>;

class Actor final : public WorkerPort {
 public:
  Actor(Wire* wire, int64_t n_steps) : wire_(wire), n_steps_(n_steps) {}
  void Send(v1::WorkResponse response) override {
    if (!response.has_lease()) return;
    book_.Given(response.lease(), n_steps_);
    wire_->emplace_back(this, response.SerializeAsString());
  }
  void Abort() override {}

  LeaseBook& book() { return book_; }
  WorkerId id = 0;

 private:
  Wire* const wire_;
  const int64_t n_steps_;
  LeaseBook book_;
};

std::string Answer(const std::string& bytes, int state_bytes) {
  v1::WorkResponse response;
  response.ParseFromString(bytes);
  v1::RolloutRecord record = FakeRecord(response.lease().rollout());
  record.set_next_state(std::string(static_cast<size_t>(state_bytes), 's'));
  v1::WorkRequest answer;
  answer.mutable_result()->set_fencing(response.lease().fencing());
  answer.mutable_result()->set_rollout(record.SerializeAsString());
  answer.mutable_result()->set_learner_session("session");
  return answer.SerializeAsString();
}

// As a stream does.
absl::Status TakeAnswer(RunLoop& loop, Actor& actor, const std::string& bytes, absl::Time now) {
  v1::WorkRequest message;
  if (!message.ParseFromString(bytes)) return absl::InternalError("an answer that cannot be read");
  if (absl::Status status = CheckMessage(message); !status.ok()) return status;
  const auto lease = actor.book().Take(message);
  if (!lease.ok()) return lease.status();
  v1::RolloutRecord record;
  if (absl::Status s = CheckRecord(*lease, message.result(), &record); !s.ok()) return s;
  loop.OnWorkerMessage(actor.id, message, now, &record);
  return absl::OkStatus();
}

absl::Status Arrive(RunLoop& loop, FakeLearner* learner, std::vector<std::unique_ptr<Actor>>& actors) {
  v1::WorkerHello hello;
  hello.set_build(GetBuildInfo().Build());
  hello.set_kernel_id("none");
  hello.set_protocol(v1::PROTOCOL_CURRENT);
  for (const auto& actor : actors) {
    hello.set_name(absl::StrCat("simulated-", &actor - actors.data()));
    const auto id = loop.WorkerArrived(hello, actor.get(), absl::Now());
    if (!id.ok()) return id.status();
    actor->id = *id;
  }
  v1::LearnerHello learner_hello;
  learner_hello.set_build(hello.build());
  learner_hello.set_session("session");
  learner_hello.set_address("unix:/nowhere");
  learner_hello.set_protocol(v1::PROTOCOL_CURRENT);
  absl::Status status = loop.LearnerArrived(learner_hello, learner, absl::Now());
  if (!status.ok()) return status;
  v1::LearnRequest ready;
  ready.mutable_ready()->set_policy_sha256(FakePolicy(0));
  loop.OnLearnerMessage(learner, ready, absl::Now());
  return absl::OkStatus();
}

}  // namespace

absl::Status RunLoopLeases(const std::string& run_dir, int actors, int iterations, int state_bytes,
                           LoopLeaseFigures* figures) {
  RunLoopOptions options;
  options.run_dir = run_dir;
  auto loop = RunLoop::Open(options, absl::Now());
  if (!loop.ok()) return loop.status();
  Wire wire;
  std::vector<std::unique_ptr<Actor>> crowd;
  for (int i = 0; i < actors; ++i) crowd.push_back(std::make_unique<Actor>(&wire, /*n_steps=*/128));
  FakeLearner learner;
  if (absl::Status status = Arrive(**loop, &learner, crowd); !status.ok()) return status;

  for (int done = 0; done < iterations;) {
    if (!learner.updates.empty()) {
      v1::LearnRequest request;
      const int64_t iteration = learner.updates.front().plan().iteration();
      request.mutable_update_done()->set_iteration(iteration);
      request.mutable_update_done()->set_policy_sha256(FakePolicy(iteration));
      learner.updates.erase(learner.updates.begin());
      const double before = OwnCpuSeconds();
      (*loop)->OnLearnerMessage(&learner, request, absl::Now());
      figures->commits += OwnCpuSeconds() - before;
      ++done;
      continue;
    }
    if (wire.empty()) return absl::InternalError("the run does not go on");
    const auto [actor, lease] = std::move(wire.front());
    wire.pop_front();
    const std::string answer = Answer(lease, state_bytes);
    const absl::Time begin = absl::Now();
    if (absl::Status s = TakeAnswer(**loop, *actor, answer, begin); !s.ok()) return s;
    figures->events += absl::ToDoubleSeconds(absl::Now() - begin);
    ++figures->leases;
  }
  if ((*loop)->failed()) return absl::InternalError("the run failed");
  return absl::OkStatus();
}

}  // namespace shoal
