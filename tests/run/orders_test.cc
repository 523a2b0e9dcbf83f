#include "coordinator/run/orders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/options.h"
#include "coordinator/schedule/options.h"

namespace shoal {
namespace {

using testing::HasSubstr;

constexpr int64_t kTotal = 20;

v1::RunOptions Options() {
  auto options = ParseOptions("curriculum: '9:20' num_envs: 4 checkpoint_interval: 5", "test");
  EXPECT_TRUE(options.ok()) << options.status();
  EXPECT_TRUE(ResolveOptions(*options).ok());
  return *options;
}

v1::Order Set(const std::string& name, const std::string& value, int64_t at = 0) {
  v1::Order order;
  order.set_kind(v1::Order::KIND_SET);
  order.set_name(name);
  order.set_value(value);
  order.set_at_iteration(at);
  order.set_request_id(name + value);
  return order;
}

v1::Order Of(v1::Order::Kind kind, const std::string& id) {
  v1::Order order;
  order.set_kind(kind);
  order.set_request_id(id);
  return order;
}

void Give(OrderBook& book, const v1::Order& order) {
  auto checked = book.Check(order, kTotal);
  ASSERT_TRUE(checked.ok()) << checked.status();
  ASSERT_EQ(checked->id(), book.next_id());
  book.Add(*checked);
}

void Plan(OrderBook& book, int64_t iteration) { book.Took(iteration, book.ActingAt(iteration)); }

TEST(OrderBook, AnOrderActsFromItsPlanOn) {
  OrderBook book(Options(), {}, 3);
  Give(book, Set("ent_coef", "0.5"));
  EXPECT_EQ(book.pending(), 1);
  EXPECT_EQ(book.ActingAt(4).size(), size_t{1});
  Plan(book, 4);
  EXPECT_EQ(book.pending(), 0);
  EXPECT_EQ(book.orders()[0].iteration(), 4);
  EXPECT_EQ(book.OptionsAt(3).ent_coef(), Options().ent_coef());
  EXPECT_EQ(book.OptionsAt(4).ent_coef(), 0.5);
  EXPECT_TRUE(book.ActingAt(5).empty());
}

// A run that is taken up before a plan that is recorded makes that plan again as it was.
TEST(OrderBook, WhatIsOrderedAfterAPlanWasRecordedDoesNotChangeIt) {
  OrderBook book(Options(), {}, /*planned=*/7);
  Give(book, Set("ent_coef", "0.5"));
  for (int64_t again = 5; again <= 7; ++again) {
    EXPECT_TRUE(book.ActingAt(again).empty()) << again;
    EXPECT_EQ(book.OptionsAt(again).ent_coef(), Options().ent_coef()) << again;
    Plan(book, again);
  }
  EXPECT_EQ(book.ActingAt(8).size(), size_t{1});
  EXPECT_EQ(book.OptionsAt(8).ent_coef(), 0.5);
  auto late = book.Check(Set("ent_coef", "0.1", 7), kTotal);
  EXPECT_TRUE(absl::IsFailedPrecondition(late.status())) << late.status();
}

TEST(OrderBook, TheLaterToActWinsAndARestartKeepsThat) {
  OrderBook book(Options(), {}, 0);
  Give(book, Set("ent_coef", "0.5", 6));
  Give(book, Set("ent_coef", "0.1"));
  for (int64_t i = 1; i <= 8; ++i) Plan(book, i);
  const OrderBook restarted(Options(), book.orders(), 8);
  for (const OrderBook* b : std::initializer_list<const OrderBook*>{&book, &restarted}) {
    EXPECT_EQ(b->OptionsAt(1).ent_coef(), 0.1);
    EXPECT_EQ(b->OptionsAt(5).ent_coef(), 0.1);
    EXPECT_EQ(b->OptionsAt(6).ent_coef(), 0.5);
  }
}

TEST(OrderBook, SaysWhatOptionsFollowFromOneMoreOrder) {
  OrderBook book(Options(), {}, 4);
  Give(book, Set("adaptive_boost_upper_p10", "30", 12));
  Give(book, Set("ent_coef", "0.5", 8));
  const auto following = book.OptionsFollowing(Set("adaptive_boost_lower_p10", "25", 9));
  ASSERT_EQ(following.size(), 2u);
  EXPECT_EQ(following[0].ent_coef(), 0.5);
  EXPECT_EQ(following[0].adaptive_boost_lower_p10(), 25);
  EXPECT_EQ(following[0].adaptive_boost_upper_p10(), Options().adaptive_boost_upper_p10());
  EXPECT_EQ(following[1].adaptive_boost_lower_p10(), 25);
  EXPECT_EQ(following[1].adaptive_boost_upper_p10(), 30);
  EXPECT_EQ(book.OptionsFollowing(Set("ent_coef", "0.1")).size(), 3u);
  EXPECT_EQ(book.OptionsAt(20).ent_coef(), 0.5) << "asking changes nothing";
}

// Whatever their ids: an order for a later iteration is no older one's to undo.
TEST(OrderBook, OrdersThatAreStillToActAreAppliedInTheOrderOfTheirIterations) {
  OrderBook book(Options(), {}, 4);
  Give(book, Set("ent_coef", "0.5", 12));
  Give(book, Set("ent_coef", "0.1", 8));
  EXPECT_EQ(book.OptionsAt(11).ent_coef(), 0.1);
  EXPECT_EQ(book.OptionsAt(12).ent_coef(), 0.5);
}

TEST(OrderBook, CheckpointsAreKeptByTheIntervalOfTheirTimeAndByOrder) {
  OrderBook book(Options(), {}, 10);
  Give(book, Set("checkpoint_interval", "4", 11));
  v1::Order one = Of(v1::Order::KIND_CHECKPOINT, "one");
  one.set_at_iteration(13);
  Give(book, one);
  for (int64_t i = 11; i <= 16; ++i) Plan(book, i);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i <= 16; ++i) {
    if (book.KeepsCheckpoint(i)) kept.push_back(i);
  }
  EXPECT_THAT(kept, testing::ElementsAre(0, 5, 10, 12, 13, 16));
}

TEST(OrderBook, CheckpointsAreKeptForTheVideosOfEvaluations) {
  v1::RunOptions options = Options();
  options.set_checkpoint_interval(5);
  options.set_multi_eval_interval(4);
  const auto kept = [](const v1::RunOptions& with) {
    const OrderBook book(with, {}, 12);
    std::vector<int64_t> versions;
    for (int64_t i = 0; i <= 12; ++i) {
      if (book.KeepsCheckpoint(i)) versions.push_back(i);
    }
    return versions;
  };
  EXPECT_THAT(kept(options), testing::ElementsAre(0, 5, 10));
  options.set_tail_replay_count(1);
  EXPECT_THAT(kept(options), testing::ElementsAre(0, 4, 5, 8, 10, 12));
  options.set_multi_eval_interval(0);
  EXPECT_THAT(kept(options), testing::ElementsAre(0, 5, 10));
}

TEST(OrderBook, AnEvaluationIsOfTheIterationWithWhosePlanItIsRecorded) {
  OrderBook book(Options(), {}, 3);
  for (const int64_t at : {6, 0, 6}) {
    v1::Order order = Of(v1::Order::KIND_EVALUATE, absl::StrCat("evaluate ", book.next_id()));
    order.set_at_iteration(at);
    EXPECT_EQ(OrderText(order), "eval now");
    Give(book, order);
  }
  EXPECT_THAT(book.Evaluated(), testing::ElementsAre());
  Plan(book, 4);
  EXPECT_THAT(book.Evaluated(), testing::ElementsAre(4));
  for (int64_t i = 5; i <= 7; ++i) Plan(book, i);
  EXPECT_THAT(book.Evaluated(), testing::ElementsAre(4, 6));
  EXPECT_THAT(OrderBook(Options(), book.orders(), 7).Evaluated(), testing::ElementsAre(4, 6));
}

TEST(OrderBook, TheSameRequestIsTheSameOrder) {
  OrderBook book(Options(), {}, 0);
  Give(book, Of(v1::Order::KIND_PAUSE, "a"));
  EXPECT_TRUE(book.paused());
  auto again = book.Check(Of(v1::Order::KIND_PAUSE, "a"), kTotal);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->id(), 1);
  EXPECT_TRUE(absl::IsAlreadyExists(book.Check(Of(v1::Order::KIND_RESUME, "a"), kTotal).status()));
  Give(book, Of(v1::Order::KIND_RESUME, "b"));
  EXPECT_FALSE(book.paused());
}

TEST(OrderBook, NamesWhatMayChange) {
  const OrderBook book(Options(), {}, 0);
  const absl::Status status = book.Check(Set("n_steps", "5"), kTotal).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("n_steps cannot change"));
  for (const std::string& name : ChangeableOptions()) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(name)));
    EXPECT_TRUE(FindRunOption(name).ok()) << name;
  }
}

TEST(OrderBook, AfterTheLastPlanOnlyWhatActsAtOnceIsTaken) {
  const OrderBook book(Options(), {}, kTotal);
  EXPECT_TRUE(absl::IsFailedPrecondition(book.Check(Set("ent_coef", "0"), kTotal).status()));
  EXPECT_TRUE(book.Check(Of(v1::Order::KIND_STOP, "stop"), kTotal).ok());
}

}  // namespace
}  // namespace shoal
