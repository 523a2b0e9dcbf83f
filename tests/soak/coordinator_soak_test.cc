// One coordinator and one long run, while actors, learners and people's clients come and go.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/rpc.h"
#include "shoal/v1/run.grpc.pb.h"
#include "tests/common/temporary_directory.h"
#include "tests/processes/program_set.h"
#include "tests/soak/figures.h"

namespace shoal {
namespace {

constexpr int kWarmUp = 10;
// In one of so many cycles an iteration is waited for; in the others peers go in its middle.
constexpr int kCyclesToCommit = 8;

// A run that no soak comes to the end of. What a coordinator remembers of a committed iteration (its
// line of schedule_trace.json, SQLite's cached pages) is not to be mistaken for a leak, so iterations
// are long and few, and there are no evaluations.
v1::RunOptions LongRun() {
  v1::RunOptions options;
  options.set_curriculum("6:1000000");
  options.set_num_envs(4);
  options.set_envs_per_shard(1);
  options.set_n_steps(20000);
  options.set_policy_hidden_sizes("4");
  options.set_batch_size(64);
  options.set_multi_eval_interval(0);
  options.set_checkpoint_interval(1000000);
  options.set_seed(3);
  return options;
}

// A channel with a connection of its own; the usual ones share theirs.
std::shared_ptr<grpc::Channel> OwnConnection(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// Asks once, and leaves the connection open as long as the channel is.
std::shared_ptr<grpc::Channel> AskStatus(const std::string& address) {
  auto channel = OwnConnection(address);
  const auto context = MakeContext(absl::Seconds(30), /*wait_for_ready=*/true);
  v1::GetStatusResponse response;
  const grpc::Status status = v1::RunService::NewStub(channel)->GetStatus(
      context.get(), v1::GetStatusRequest(), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return channel;
}

// Follows the run and leaves in the middle; what comes then must find nobody.
void WatchAndLeave(const std::string& address) {
  auto channel = OwnConnection(address);
  const auto context = MakeContext(absl::Seconds(30), /*wait_for_ready=*/true);
  v1::WatchRunRequest request;
  request.mutable_interval()->set_nanos(50'000'000);
  auto reader = v1::RunService::NewStub(channel)->WatchRun(context.get(), request);
  v1::WatchRunResponse response;
  EXPECT_TRUE(reader->Read(&response));
  context->TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

// Connects, says something that is no HTTP/2, and leaves.
void KnockAndLeave(absl::string_view address) {
  ASSERT_TRUE(absl::ConsumePrefix(&address, "unix:"));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  address.copy(name.sun_path, sizeof(name.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  EXPECT_EQ(send(fd, "hello\n", 6, MSG_NOSIGNAL), 6);
  close(fd);
}

// What the coordinator rightly remembers of a run, and holds in memory: pages of run.db, of which
// SQLite keeps at most its default of 2000 KiB, and the text of schedule_trace.json, in a string with
// room for as much again.
int64_t RememberedKib(const std::string& run_dir) {
  const auto kib = [&](const char* file) {
    return static_cast<int64_t>(std::filesystem::file_size(run_dir + file)) / 1024;
  };
  return std::min<int64_t>(2000, kib("/run.db") + kib("/run.db-wal")) +
         2 * kib("/schedule_trace.json");
}

// What one connection that is open and idle costs the coordinator, by opening some.
double KibOfAConnection(const std::string& address, const Watched& coordinator) {
  constexpr int kConnections = 40;
  const Figures before = FiguresAtRest(coordinator);
  std::vector<std::shared_ptr<grpc::Channel>> open;
  for (int i = 0; i < kConnections; ++i) open.push_back(AskStatus(address));
  const Figures with = ReadFigures(coordinator);
  EXPECT_GE(with.descriptors, before.descriptors + kConnections);
  return static_cast<double>(with.heap_kib - before.heap_kib) / kConnections;
}

TEST(Soak, OneCoordinatorAndManyPeers) {
  const TemporaryDirectory place;
  ProgramSet::Options options;
  options.run_dir = MakeRun(place.path(), "long", LongRun());
  const auto ports = ServeMetrics({"coordinator"}, options);
  ProgramSet set(options);
  set.Start("coordinator");
  const Watched coordinator{set.Pid("coordinator"), ports.at("coordinator")};
  const std::string& address = set.coordinator_address();
  int64_t committed = 0;
  int killed = 0, ended = 0, clients = 0;

  // Two actors and a learner come, are given work, and go; so do four clients.
  const auto cycle = [&](int number) {
    const std::vector<std::string> names = {"learner", "actor-a", "actor-b"};
    for (const std::string& name : names) set.Start(name);
    AskStatus(address);
    WatchAndLeave(address);
    int64_t before = -1;
    ASSERT_TRUE(set.Await("all have come and are at work", [&](const v1::RunStatus& status) {
      // Those of the cycle before are listed still.
      const auto connected = std::count_if(status.workers().begin(), status.workers().end(),
                                           [](const auto& worker) { return worker.connected(); });
      if (connected < 2 || status.state() != v1::RunStatus::STATE_ROLLOUT) return false;
      if (before < 0) before = status.committed_iteration();
      committed = status.committed_iteration();
      return number % kCyclesToCommit != 0 || committed > before;
    }));
    WatchAndLeave(address);
    KnockAndLeave(address);
    clients += 4;
    for (const std::string& name : names) {
      // Each of them is killed as often as it ends in order, in all combinations.
      const int bit = name == "learner" ? 1 : name == "actor-a" ? 2 : 4;
      if ((number & bit) != 0) {
        set.Kill(name);
        ++killed;
      } else {
        set.End(name);
        ++ended;
      }
    }
  };

  for (int i = 0; i < kWarmUp && !testing::Test::HasFailure(); ++i) cycle(i);
  const double connection = KibOfAConnection(address, coordinator);
  cycle(0);
  SoakLine line{"coordinator", SoakCycles(25), FiguresAtRest(coordinator), {}, {}};
  const int64_t warm_committed = committed;
  const int64_t warm_remembered = RememberedKib(options.run_dir);
  for (int i = 0; i < line.cycles && !testing::Test::HasFailure(); ++i) {
    cycle(i);
    line.Sample(i + 1, coordinator);
  }
  line.end = AwaitFiguresDownTo(line.warm, coordinator);
  PrintTable({line});
  const int64_t remembered = RememberedKib(options.run_dir) - warm_remembered;
  std::printf("peers killed %d, ended %d; clients %d; iterations %d, of which %d KiB are remembered; "
              "a connection costs %.1f KiB\n",
              killed, ended, clients, static_cast<int>(committed - warm_committed),
              static_cast<int>(remembered), connection);
  // A cycle has seven connections. If one of them left a twentieth of what a connection costs, this
  // would show in some hundred cycles; a connection as such is a descriptor, which shows at once.
  if (MemoryCanBeJudged()) {
    EXPECT_GT(connection, 4);
  }
  ExpectFlat(line, connection / 20, remembered);
  set.End("coordinator");
}

}  // namespace
}  // namespace shoal
