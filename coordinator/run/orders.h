// Orders that people give while a run is on: which are taken, and what follows from them.
//
// An order that changes what a run computes takes effect with the plan of one iteration, and is
// recorded with it in one transaction: a run that is resumed, rewound or replayed applies the same
// orders at the same plans and comes to the same bits. A pause only holds plans back.
//
// Pure: no gRPC, no clock, no store. Not thread safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/run.pb.h"

namespace shoal {

class Planner;

// The options that `set` may change, in the order of config.proto: those that only plans are made from.
// (adaptive_boost_window is not: what is kept from one plan to the next depends on it.)
const std::vector<std::string>& ChangeableOptions();

// "set tail_inject_fraction 0.5", "tail refill".
std::string OrderText(const v1::Order& order);

class OrderBook {
 public:
  static constexpr size_t kMostOrders = 10000;

  // `options`: as the run began with them; `orders`: in the order of their ids; `planned`: the last
  // iteration that a plan was ever recorded of. Plans stand: what is ordered later acts after it, also
  // where the run was taken up before it.
  OrderBook() = default;
  OrderBook(const v1::RunOptions& options, std::vector<v1::Order> orders, int64_t planned);

  // Looks at an order before it is recorded, in a run of `total` iterations. Returns it with its id and, for pause, resume and stop, its iteration. One whose
  // request_id is known already comes back as it stands (its id is not next_id()).
  // InvalidArgument, FailedPrecondition, AlreadyExists, ResourceExhausted: see RunService.GiveOrder.
  // Whether the planner takes the options that follow is the caller's to check (OptionsFollowing).
  absl::StatusOr<v1::Order> Check(v1::Order order, int64_t total) const;
  int64_t next_id() const { return static_cast<int64_t>(orders_.size()) + 1; }

  // An order that was recorded.
  void Add(v1::Order order) { orders_.push_back(std::move(order)); }

  // The orders that take effect with the plan of `iteration`, with their iteration set; in the order of
  // their ids.
  std::vector<v1::Order> ActingAt(int64_t iteration) const;
  // That plan is recorded.
  void Took(int64_t iteration, const std::vector<v1::Order>& acting);
  // The next plan that orders can act with.
  int64_t next_plan() const { return planned_ + 1; }

  // The run's options from the plan of `iteration` on.
  v1::RunOptions OptionsAt(int64_t iteration) const;
  // The same from the plan on with which one more order would act: as they are then, and after each
  // change that is to come later.
  std::vector<v1::RunOptions> OptionsFollowing(const v1::Order& order) const;

  // Whether the checkpoint of a version that was planned is kept for good: by checkpoint_interval, by
  // order, or since an evaluation with videos (tail_replay_count) looks at it.
  bool KeepsCheckpoint(int64_t version) const;
  // The iterations whose policy an order has evaluated, ascending, each once: those with a plan.
  std::vector<int64_t> Evaluated() const;
  bool paused() const;
  int pending() const;
  const std::vector<v1::Order>& orders() const { return orders_; }

 private:
  // The iteration with whose plan an order acts or, as things stand, will act.
  int64_t StartOf(const v1::Order& order) const;
  // In the order in which they act: by their starts, then by id.
  std::vector<const v1::Order*> Sets() const;

  v1::RunOptions options_;
  std::vector<v1::Order> orders_;  // by id, from 1
  int64_t planned_ = 0;
};

// Before planner.Plan(iteration): options and tail queue as the orders want them.
absl::Status ApplyOrders(const OrderBook& book, int64_t iteration, Planner& planner);

}  // namespace shoal
