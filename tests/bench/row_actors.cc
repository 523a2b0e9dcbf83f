#include "tests/bench/row_actors.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <memory>
#include <random>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "actor/row_sender.h"
#include "common/cancellation.h"
#include "common/duplex_stream.h"
#include "common/rpc.h"
#include "common/version.h"
#include "shoal/v1/rows.grpc.pb.h"
#include "shoal/v1/worker.grpc.pb.h"
#include "tests/run/fakes.h"

namespace shoal {
namespace {

constexpr absl::Duration kHeartbeat = absl::Seconds(1);

std::shared_ptr<grpc::Channel> OwnConnection(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// The same for everybody who is given this item.
Rows MakeRows(const v1::RolloutItem& item, const RowActorsOptions& options) {
  Rows rows;
  rows.obs_dim = options.obs_dim;
  for (int e = 0; e < item.environments_size(); ++e) {
    for (int f = 0; f < options.fish; ++f) {
      for (int t = 0; t < options.n_steps; ++t) {
        rows.keys.push_back(RowKey(item.first_environment() + e, f, t));
      }
    }
  }
  const size_t n = rows.keys.size();
  rows.observations.resize(n * options.obs_dim);
  for (size_t i = 0; i < rows.observations.size(); ++i) rows.observations[i] = 0.001f * (i % 997);
  rows.actions.assign(n, 3);
  rows.log_probs.assign(n, -1.5f);
  rows.advantages.assign(n, 0.25f);
  rows.returns.assign(n, 0.5f);
  return rows;
}

v1::RolloutRecord RecordOf(const v1::RolloutItem& item, const Rows& rows) {
  v1::RolloutRecord record = FakeRecord(item);
  record.set_rows(rows.size());
  record.set_rows_checksum(RowsChecksum(rows));
  record.set_unfiltered_rows(rows.size());
  record.set_advantage_sum(0.25 * static_cast<double>(rows.size()));
  record.set_advantage_square_sum(0.0625 * static_cast<double>(rows.size()));
  record.set_environment_steps(rows.size());
  record.set_fish_steps(rows.size());
  return record;
}

v1::WorkRequest Hello(int number) {
  v1::WorkRequest request;
  v1::WorkerHello* hello = request.mutable_hello();
  hello->set_name(absl::StrCat("simulated-", number));
  hello->set_build(GetBuildInfo().Build());
  hello->set_cpu("none");
  hello->set_kernel_id("none");
  hello->set_protocol(v1::PROTOCOL_CURRENT);
  return request;
}

}  // namespace

RowActors::RowActors(const RowActorsOptions& options) : options_(options) {
  for (int i = 0; i < options.actors; ++i) threads_.emplace_back([this, i] { Work(i); });
}

RowActors::~RowActors() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
}

absl::Status RowActors::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

void RowActors::Work(int number) {
  const absl::Status status = TryWork(number);
  absl::MutexLock lock(&mutex_);
  status_.Update(status);
}

absl::Status RowActors::TryWork(int number) {
  const auto stub = v1::WorkerService::NewStub(OwnConnection(options_.address));
  DuplexStream<v1::WorkRequest, v1::WorkResponse> stream(
      [&](grpc::ClientContext* context, auto* reactor) { stub->async()->Work(context, reactor); });
  stream.Send(Hello(number));
  std::mt19937 random(number);
  std::unique_ptr<v1::RowService::Stub> learner;
  std::string run_id;
  const Cancellation never;
  absl::Time beat = absl::Now() + kHeartbeat;
  uint64_t beats = 0;
  v1::WorkResponse response;
  while (!stopping_) {
    const StreamEvent event = stream.Receive(
        std::min(beat - absl::Now(), absl::Milliseconds(100)), &response);
    if (event == StreamEvent::kEnded) return FromGrpc(stream.status());
    if (absl::Now() >= beat) {
      v1::WorkRequest request;
      request.mutable_heartbeat()->set_sequence(++beats);
      stream.Send(std::move(request));
      beat += kHeartbeat;
    }
    if (event != StreamEvent::kMessage) continue;
    if (response.has_dismissal()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the coordinator dismissed a simulated actor: ", response.dismissal().message()));
    }
    if (response.has_welcome()) run_id = response.welcome().run_id();
    if (!response.has_lease()) continue;
    const v1::Lease& lease = response.lease();
    if (learner == nullptr) {
      learner = v1::RowService::NewStub(OwnConnection(lease.learner_address()));
    }
    const absl::Time ready =
        absl::Now() + options_.hold * (0.5 + static_cast<double>(random() >> 8) * 0x1p-24);
    const Rows rows = MakeRows(lease.rollout(), options_);
    const v1::RolloutRecord record = RecordOf(lease.rollout(), rows);
    absl::SleepFor(ready - absl::Now());
    const auto session =
        PushRows(*learner, MakeRowsHeader(run_id, record, rows.obs_dim), rows, never);
    if (!session.ok()) return stopping_ ? absl::OkStatus() : session.status();
    v1::WorkRequest request;
    v1::WorkResult* result = request.mutable_result();
    result->set_fencing(lease.fencing());
    result->set_rollout(record.SerializeAsString());
    result->set_learner_session(*session);
    if (stream.Send(std::move(request))) ++items_;
  }
  return absl::OkStatus();
}

}  // namespace shoal
