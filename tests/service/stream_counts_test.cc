// Streams of actors and learners count themselves, once each.
#include <gtest/gtest.h>

#include "common/rpc_counts.h"
#include "tests/service/peers.h"

namespace shoal {
namespace {

// Of all calls of the method that have ended, those with this code.
struct Ended {
  int64_t code = 0;
  int64_t all = 0;
};

Ended Count(const std::string& method, const std::string& code) {
  Ended ended;
  for (const auto& [key, count] : ServerRpcs()) {
    if (key.first != method) continue;
    ended.all += count;
    if (key.second == code) ended.code += count;
  }
  return ended;
}

TEST(StreamCounts, AStreamCountsWithTheCodeThatItsPeerGets) {
  RunServer server;
  for (const auto& [path, method] : {std::pair(kWork, "WorkerService.Work"),
                                     std::pair(kLearn, "LearnerService.Learn")}) {
    const Ended before = Count(method, "INVALID_ARGUMENT");
    {
      RawCall call(server.address(), path);
      ASSERT_TRUE(call.SendMessage(Beat(1))) << "no hello";
      EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    }
    EXPECT_TRUE(Eventually([&] { return Count(method, "INVALID_ARGUMENT").all > before.all; }));
    const Ended after = Count(method, "INVALID_ARGUMENT");
    EXPECT_EQ(after.code - before.code, 1) << method;
    EXPECT_EQ(after.all - before.all, 1) << method;
  }
}

TEST(StreamCounts, OtherCallsAreCountedStill) {
  RunServer server;
  const Ended before = Count("RunService.GetStatus", "OK");
  {
    RawCall call(server.address(), "/shoal.v1.RunService/GetStatus");
    ASSERT_TRUE(call.Send(""));
    ASSERT_TRUE(call.Receive<v1::GetStatusResponse>());
  }
  EXPECT_TRUE(Eventually([&] { return Count("RunService.GetStatus", "OK").all > before.all; }));
  EXPECT_EQ(Count("RunService.GetStatus", "OK").all - before.all, 1);
}

}  // namespace
}  // namespace shoal
