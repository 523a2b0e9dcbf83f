// Orders to real programs: they act at the iteration that is recorded, whatever is killed, and once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "common/rpc.h"
#include "nlohmann/json.hpp"
#include "tests/common/temporary_directory.h"
#include "tests/processes/program_set.h"

namespace shoal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kIterations = 40;

class Orders : public testing::Test {
 protected:
  ProgramSet::Options NewRun(const std::string& name) {
    ProgramSet::Options set;
    set.run_dir = MakeRun(place_.path(), name, SmallRun(place_.path(), kIterations));
    set.lease_seconds = 3;
    return set;
  }

  static absl::StatusOr<v1::Order> Give(const ProgramSet& set, const v1::Order& order) {
    auto channel = ConnectChannel(set.coordinator_address());
    if (!channel.ok()) return channel.status();
    const auto stub = v1::RunService::NewStub(*channel);
    const auto context = MakeContext(absl::Seconds(20));
    v1::GiveOrderRequest request;
    *request.mutable_order() = order;
    v1::GiveOrderResponse response;
    const absl::Status status = FromGrpc(stub->GiveOrder(context.get(), request, &response));
    if (!status.ok()) return status;
    return response.order();
  }

  static v1::Order Of(v1::Order::Kind kind, const std::string& request_id, int64_t at) {
    v1::Order order;
    order.set_kind(kind);
    order.set_request_id(request_id);
    order.set_at_iteration(at);
    return order;
  }
  static v1::Order Set(const std::string& name, const std::string& value, int64_t at) {
    v1::Order order = Of(v1::Order::KIND_SET, absl::StrCat(name, at), at);
    order.set_name(name);
    order.set_value(value);
    return order;
  }

  // Nothing is planned before a learner is there, so the orders are in time.
  static void GiveAll(const ProgramSet& set) {
    for (const v1::Order& order :
         {Set("tail_inject_fraction", "1", 3), Of(v1::Order::KIND_EVALUATE, "evaluate", 3),
          Set("ent_coef", "0.5", 4), Of(v1::Order::KIND_EVALUATE, "evaluate again", 4),
          Of(v1::Order::KIND_TAIL_REFILL, "refill", 5), Set("entropy_coef_schedule", "", 5),
          Set("adaptive_boost_min_iteration", "1", 3), Set("adaptive_boost_stage_floor", "0:0.9", 6)}) {
      const auto given = Give(set, order);
      ASSERT_TRUE(given.ok()) << given.status();
      // An answer that got lost makes a client ask again.
      const auto again = Give(set, order);
      ASSERT_TRUE(again.ok()) << again.status();
      EXPECT_EQ(again->id(), given->id());
    }
  }

  static std::string OutcomeOf(const ProgramSet::Options& options) {
    const auto outcome = Outcome(options.run_dir);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.value_or("");
  }

  static nlohmann::json Trace(const ProgramSet::Options& options) {
    const auto text = ReadFile(absl::StrCat(options.run_dir, "/schedule_trace.json"));
    return nlohmann::json::parse(text.value_or("{}"), nullptr, false).value("trace", nlohmann::json());
  }

  std::string WithOrders(const std::string& name, bool kill, nlohmann::json* trace = nullptr) {
    const ProgramSet::Options options = NewRun(name);
    ProgramSet set(options);
    set.Start("coordinator");
    GiveAll(set);
    set.Start("learner");
    set.Start("actor-0");
    // After each iteration from the one before the first order on, while others follow.
    for (int64_t committed = 2; kill && committed <= 6; ++committed) {
      EXPECT_TRUE(set.AwaitCommitted(committed));
      set.Kill("coordinator");
      set.Start("coordinator");
    }
    EXPECT_TRUE(set.AwaitEnd());
    if (trace != nullptr) *trace = Trace(options);
    return OutcomeOf(options);
  }

  TemporaryDirectory place_;
};

TEST_F(Orders, AKilledAndResumedRunComesToTheSameBits) {
  nlohmann::json trace;
  const std::string whole = WithOrders("whole", /*kill=*/false, &trace);
  EXPECT_THAT(whole, HasSubstr("policy_sha256 "));
  // The table of evaluations: 20 of its own, 2 by order, 3 after the last iteration.
  EXPECT_THAT(whole, AllOf(HasSubstr("\nordered            3 "), HasSubstr("\nordered            4 ")));
  nlohmann::json killed_trace;
  EXPECT_EQ(WithOrders("killed", /*kill=*/true, &killed_trace), whole);
  ASSERT_EQ(trace.size(), static_cast<size_t>(kIterations));
  ASSERT_EQ(killed_trace.size(), trace.size());
  EXPECT_FALSE(trace[1].contains("orders"));
  EXPECT_EQ(trace[2]["orders"], nlohmann::json({"set tail_inject_fraction 1", "eval now",
                                                      "set adaptive_boost_min_iteration 1"}));
  EXPECT_EQ(trace[3]["orders"], nlohmann::json({"set ent_coef 0.5", "eval now"}));
  EXPECT_EQ(trace[4]["orders"], nlohmann::json({"tail refill", "set entropy_coef_schedule "}));
  EXPECT_EQ(trace[5]["entropy_coef"], 0.5);
  EXPECT_EQ(trace[4]["tail_refills"], 1);
  const auto boosted = [](const nlohmann::json& iteration) {
    return iteration["escape_boost_speed"] == 0.9;
  };
  EXPECT_FALSE(std::any_of(trace.begin(), trace.begin() + 5, boosted));
  EXPECT_TRUE(std::any_of(trace.begin() + 5, trace.end(), boosted)) << "the adaptive boost never acted";
  for (size_t i = 0; i < trace.size(); ++i) {
    for (const char* name : {"orders", "entropy_coef", "tail_refills", "tail_queue_remaining", "escape_boost_speed"}) {
      EXPECT_EQ(killed_trace[i].value(name, nlohmann::json()), trace[i].value(name, nlohmann::json()))
          << name << " of iteration " << i + 1;
    }
  }

  const ProgramSet::Options plain = NewRun("plain");
  ProgramSet set(plain);
  for (const char* program : {"coordinator", "learner", "actor-0"}) set.Start(program);
  EXPECT_TRUE(set.AwaitEnd());
  EXPECT_NE(OutcomeOf(plain), whole) << "the orders did nothing";
}

TEST_F(Orders, APauseHoldsTheRunAlsoThroughARestart) {
  ProgramSet set(NewRun("paused"));
  set.Start("coordinator");
  ASSERT_TRUE(Give(set, Of(v1::Order::KIND_PAUSE, "pause", 0)).ok());
  set.Start("learner");
  set.Start("actor-0");
  const auto paused = [](const v1::RunStatus& status) {
    return status.state() == v1::RunStatus::STATE_PAUSED && status.learner_connected();
  };
  ASSERT_TRUE(set.Await("a pause", paused));
  set.Kill("coordinator");
  set.Start("coordinator");
  ASSERT_TRUE(set.Await("a pause after the restart", paused));
  EXPECT_EQ(set.Status()->committed_iteration(), 0);
  ASSERT_TRUE(Give(set, Of(v1::Order::KIND_RESUME, "resume", 0)).ok());
  EXPECT_TRUE(set.AwaitEnd());
}

TEST_F(Orders, WhatCannotBeIsRefusedByName) {
  ProgramSet set(NewRun("refused"));
  set.Start("coordinator");
  const auto refused = [&](const v1::Order& order) { return Give(set, order).status(); };
  const absl::Status fixed = refused(Set("num_envs", "4", 0));
  EXPECT_TRUE(absl::IsInvalidArgument(fixed)) << fixed;
  EXPECT_THAT(std::string(fixed.message()), HasSubstr("num_envs cannot change"));
  EXPECT_THAT(std::string(fixed.message()), HasSubstr("tail_inject_fraction"));
  EXPECT_TRUE(absl::IsInvalidArgument(refused(Set("tail_inject_fraction", "1.5", 0))));
  EXPECT_TRUE(absl::IsInvalidArgument(refused(Set("entropy_coef_schedule", "5-x:0", 0))));
  EXPECT_TRUE(absl::IsInvalidArgument(refused(Set("ent_coeff", "0.1", 0))));
  EXPECT_TRUE(absl::IsInvalidArgument(refused(Set("ent_coef", "0.1", kIterations + 1))));
  EXPECT_TRUE(absl::IsInvalidArgument(refused(Of(v1::Order::KIND_PAUSE, "", 0))));
  EXPECT_TRUE(absl::IsInvalidArgument(refused(Of(v1::Order::KIND_UNSPECIFIED, "none", 0))));
  ASSERT_TRUE(Give(set, Of(v1::Order::KIND_CHECKPOINT, "same", 2)).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(refused(Of(v1::Order::KIND_TAIL_REFILL, "same", 2))));
  EXPECT_EQ(set.Status()->orders_pending(), 1);
}

}  // namespace
}  // namespace shoal
