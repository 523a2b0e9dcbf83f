// Learners that do not do their part while rows are pushed to them: the actor is not held up by any.
#include "actor/row_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/rpc.h"

namespace shoal {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kShort = absl::Milliseconds(300);
// Only a limit that does not hold gets there.
constexpr absl::Duration kLong = absl::Minutes(2);

// Several chunks of a MiB.
Rows ManyRows() {
  Rows rows;
  rows.obs_dim = 11;
  for (uint32_t step = 0; step < 60000; ++step) {
    rows.keys.push_back(RowKey(0, 0, step));
    rows.actions.push_back(0);
    rows.log_probs.push_back(-1);
    rows.advantages.push_back(0);
    rows.returns.push_back(0);
  }
  rows.observations.resize(60000 * 11);
  return rows;
}

// Answers so many messages, and then nothing until the caller gives up.
class StuckRowService final : public v1::RowService::Service {
 public:
  explicit StuckRowService(int answers) : answers_(answers) {}
  absl::Notification& stuck() { return stuck_; }

  grpc::Status PushRows(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::PushRowsResponse, v1::PushRowsRequest>* stream) override {
    v1::PushRowsRequest request;
    for (int i = 0; i < answers_ && stream->Read(&request); ++i) {
      stream->Write(v1::PushRowsResponse());
    }
    stuck_.Notify();
    absl::MutexLock lock(&mutex_);
    while (!context->IsCancelled()) {
      mutex_.AwaitWithTimeout(absl::Condition(&never_), absl::Milliseconds(10));
    }
    return grpc::Status::CANCELLED;
  }

 private:
  const int answers_;
  absl::Notification stuck_;
  absl::Mutex mutex_;
  const bool never_ = false;
};

class RowSenderTest : public testing::Test {
 protected:
  RowSenderTest() { limits_ = {.answer_limit = kLong, .progress_limit = kLong, .total_limit = kLong}; }

  absl::Status PushTo(const std::string& address) {
    const Rows rows = ManyRows();
    v1::RowsHeader header;
    header.set_rows(rows.size());
    header.set_obs_dim(rows.obs_dim);
    const auto stub = v1::RowService::NewStub(*ConnectChannel(address));
    const absl::Time begin = absl::Now();
    const auto pushed = PushRows(*stub, header, rows, cancellation_, limits_);
    EXPECT_LT(absl::Now() - begin, kLong);
    return pushed.status();
  }
  absl::Status PushToOneThatAnswers(int messages) {
    StuckRowService service(messages);
    const auto server = StartServer({}, {&service});
    EXPECT_TRUE(server.ok()) << server.status();
    return PushTo((*server)->address());
  }

  PushLimits limits_;
  Cancellation cancellation_;
};

TEST_F(RowSenderTest, GivesUpALearnerThatDoesNotAnswer) {
  limits_.answer_limit = kShort;
  const absl::Status status = PushToOneThatAnswers(0);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("does not answer"));
}

TEST_F(RowSenderTest, GivesUpALearnerThatStopsInTheMiddle) {
  limits_.progress_limit = kShort;
  const absl::Status status = PushToOneThatAnswers(2);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("no acknowledgement"));
}

TEST_F(RowSenderTest, TheWholeHasALimitToo) {
  limits_.total_limit = 3 * kShort;
  EXPECT_EQ(PushToOneThatAnswers(2).code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(RowSenderTest, ADroppedLeaseEndsTheWait) {
  StuckRowService service(2);
  const auto server = StartServer({}, {&service});
  ASSERT_TRUE(server.ok()) << server.status();
  std::thread dropper([&] {
    service.stuck().WaitForNotification();
    cancellation_.Cancel();
  });
  EXPECT_EQ(PushTo((*server)->address()).code(), absl::StatusCode::kCancelled);
  dropper.join();
}

// As one that was stopped, or whose machine is gone: the kernel connects, and nobody speaks.
TEST_F(RowSenderTest, GivesUpAConnectionOnWhichNobodySpeaks) {
  limits_.answer_limit = kShort;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&name), size), 0);
  ASSERT_EQ(listen(listener, 8), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size);
  EXPECT_EQ(PushTo(absl::StrCat("127.0.0.1:", ntohs(name.sin_port))).code(),
            absl::StatusCode::kUnavailable);
  close(listener);
}

}  // namespace
}  // namespace shoal
