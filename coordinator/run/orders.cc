#include "coordinator/run/orders.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/options.h"
#include "coordinator/run/planner.h"

namespace shoal {
namespace {

constexpr size_t kLongestRequestId = 128;
constexpr size_t kLongestValue = 4096;

// Acts at once: it holds plans back and is in none.
bool ActsAtOnce(v1::Order::Kind kind) {
  return kind == v1::Order::KIND_PAUSE || kind == v1::Order::KIND_RESUME ||
         kind == v1::Order::KIND_STOP;
}

// Values were checked when the order was taken.
void SetIn(const v1::Order& order, v1::RunOptions& options) {
  auto field = FindRunOption(order.name());
  if (field.ok()) (void)SetOption(*field, order.value(), options);
}

absl::Status CheckSet(const v1::Order& order) {
  auto field = FindRunOption(order.name());
  if (!field.ok()) return field.status();
  const auto& changeable = ChangeableOptions();
  if (std::find(changeable.begin(), changeable.end(), (*field)->name()) == changeable.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat((*field)->name(), " cannot change while a run is on; these can: ",
                     absl::StrJoin(changeable, ", ")));
  }
  if (order.value().size() > kLongestValue) {
    return absl::InvalidArgumentError(absl::StrCat(order.name(), ": the value is longer than ",
                                                   kLongestValue, " characters"));
  }
  v1::RunOptions scratch;
  return SetOption(*field, order.value(), scratch);
}

bool SameOrder(const v1::Order& a, const v1::Order& b) {
  return a.kind() == b.kind() && a.name() == b.name() && a.value() == b.value() &&
         a.at_iteration() == b.at_iteration();
}

}  // namespace

const std::vector<std::string>& ChangeableOptions() {
  static const auto* const names = new std::vector<std::string>{
      "learning_rate",
      "ent_coef",
      "entropy_coef_schedule",
      "checkpoint_interval",
      "disable_adaptive_boost",
      "adaptive_boost_min_iteration",
      "adaptive_boost_use_mean",
      "adaptive_boost_lower_p10",
      "adaptive_boost_upper_p10",
      "adaptive_boost_low_speed",
      "adaptive_boost_high_speed",
      "adaptive_boost_stage_floor",
      "tail_force_reset_steps",
      "tail_inject",
      "tail_inject_fraction",
      "tail_seed_stage_refill_interval",
      "tail_on_exhausted"};
  return *names;
}

std::string OrderText(const v1::Order& order) {
  switch (order.kind()) {
    case v1::Order::KIND_PAUSE:
      return "pause";
    case v1::Order::KIND_RESUME:
      return "resume";
    case v1::Order::KIND_STOP:
      return "stop";
    case v1::Order::KIND_CHECKPOINT:
      return "checkpoint";
    case v1::Order::KIND_TAIL_REFILL:
      return "tail refill";
    case v1::Order::KIND_EVALUATE:
      return "eval now";
    case v1::Order::KIND_SET:
      return absl::StrCat("set ", order.name(), " ", order.value());
    default:
      return "order of no kind";
  }
}

OrderBook::OrderBook(const v1::RunOptions& options, std::vector<v1::Order> orders, int64_t planned)
    : options_(options), orders_(std::move(orders)), planned_(planned) {}

absl::StatusOr<v1::Order> OrderBook::Check(v1::Order order, int64_t total) const {
  const int64_t next = next_plan();
  if (order.request_id().empty() || order.request_id().size() > kLongestRequestId) {
    return absl::InvalidArgumentError(absl::StrCat("request_id must have 1 to ", kLongestRequestId,
                                                   " characters, not ", order.request_id().size()));
  }
  for (const v1::Order& known : orders_) {
    if (known.request_id() != order.request_id()) continue;
    if (SameOrder(known, order)) return known;
    return absl::AlreadyExistsError(absl::StrCat("request ", order.request_id(), " was another order: ",
                                                 OrderText(known), " (order ", known.id(), ")"));
  }
  if (order.kind() == v1::Order::KIND_UNSPECIFIED || !v1::Order::Kind_IsValid(order.kind())) {
    return absl::InvalidArgumentError("the order has no kind");
  }
  if (order.kind() == v1::Order::KIND_SET) {
    if (absl::Status status = CheckSet(order); !status.ok()) return status;
  } else if (!order.name().empty() || !order.value().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(OrderText(order), " has neither name nor value; set has"));
  }
  if (orders_.size() >= kMostOrders) {
    return absl::ResourceExhaustedError(absl::StrCat("a run takes at most ", kMostOrders, " orders"));
  }
  order.set_id(next_id());
  order.set_iteration(0);
  if (ActsAtOnce(order.kind())) {
    if (order.at_iteration() != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(OrderText(order), " acts at once: at_iteration must be 0"));
    }
    order.set_iteration(next);
    return order;
  }
  if (next > total) {
    return absl::FailedPreconditionError(
        absl::StrCat(OrderText(order), ": all ", total, " iterations are planned already"));
  }
  if (order.at_iteration() < 0 || order.at_iteration() > total) {
    return absl::InvalidArgumentError(absl::StrCat("there is no iteration ", order.at_iteration(),
                                                   "; the run has ", total));
  }
  if (order.at_iteration() != 0 && order.at_iteration() < next) {
    return absl::FailedPreconditionError(
        absl::StrCat(OrderText(order), ": iteration ", order.at_iteration(),
                     " is planned already; the next is ", next));
  }
  return order;
}

std::vector<v1::Order> OrderBook::ActingAt(int64_t iteration) const {
  std::vector<v1::Order> acting;
  for (const v1::Order& order : orders_) {
    const bool due = order.iteration() == 0 && order.at_iteration() <= iteration && iteration > planned_;
    if (!due && order.iteration() != iteration) continue;
    acting.push_back(order);
    acting.back().set_iteration(iteration);
  }
  return acting;
}

void OrderBook::Took(int64_t iteration, const std::vector<v1::Order>& acting) {
  planned_ = std::max(planned_, iteration);
  for (const v1::Order& order : acting) orders_[static_cast<size_t>(order.id() - 1)] = order;
}

int64_t OrderBook::StartOf(const v1::Order& order) const {
  return order.iteration() != 0 ? order.iteration() : std::max(order.at_iteration(), next_plan());
}

std::vector<const v1::Order*> OrderBook::Sets() const {
  std::vector<const v1::Order*> sets;
  for (const v1::Order& order : orders_) {
    if (order.kind() == v1::Order::KIND_SET) sets.push_back(&order);
  }
  std::stable_sort(sets.begin(), sets.end(), [this](const v1::Order* a, const v1::Order* b) {
    return StartOf(*a) < StartOf(*b);
  });
  return sets;
}

v1::RunOptions OrderBook::OptionsAt(int64_t iteration) const {
  v1::RunOptions options = options_;
  for (const v1::Order* order : Sets()) {
    if (StartOf(*order) <= iteration) SetIn(*order, options);
  }
  return options;
}

std::vector<v1::RunOptions> OrderBook::OptionsFollowing(const v1::Order& order) const {
  OrderBook with = *this;
  with.Add(order);
  const std::vector<const v1::Order*> sets = with.Sets();
  v1::RunOptions options = options_;
  std::vector<v1::RunOptions> following;
  for (size_t i = 0; i < sets.size(); ++i) {
    SetIn(*sets[i], options);
    const int64_t start = with.StartOf(*sets[i]);
    const bool whole = i + 1 == sets.size() || with.StartOf(*sets[i + 1]) > start;
    if (whole && start >= with.StartOf(order)) following.push_back(options);
  }
  return following;
}

bool OrderBook::KeepsCheckpoint(int64_t version) const {
  int64_t interval = options_.checkpoint_interval();
  int64_t since = 0;
  for (const v1::Order& order : orders_) {
    if (order.iteration() == 0 || order.iteration() > version) continue;
    if (order.kind() == v1::Order::KIND_CHECKPOINT && order.iteration() == version) return true;
    if (order.kind() != v1::Order::KIND_SET || order.name() != "checkpoint_interval") continue;
    if (order.iteration() < since) continue;
    since = order.iteration();
    v1::RunOptions options;
    SetIn(order, options);
    interval = options.checkpoint_interval();
  }
  if (version % interval == 0) return true;
  // What an evaluation's worst scenes are filmed with.
  return options_.tail_replay_count() > 0 && options_.multi_eval_interval() > 0 && version > 0 &&
         version % options_.multi_eval_interval() == 0;
}

std::vector<int64_t> OrderBook::Evaluated() const {
  std::set<int64_t> iterations;
  for (const v1::Order& order : orders_) {
    if (order.kind() != v1::Order::KIND_EVALUATE || order.iteration() == 0) continue;
    iterations.insert(order.iteration());
  }
  return {iterations.begin(), iterations.end()};
}

bool OrderBook::paused() const {
  bool paused = false;
  for (const v1::Order& order : orders_) {
    if (order.kind() == v1::Order::KIND_PAUSE) paused = true;
    if (order.kind() == v1::Order::KIND_RESUME) paused = false;
  }
  return paused;
}

int OrderBook::pending() const {
  return static_cast<int>(std::count_if(orders_.begin(), orders_.end(), [](const v1::Order& order) {
    return order.iteration() == 0;
  }));
}

absl::Status ApplyOrders(const OrderBook& book, int64_t iteration, Planner& planner) {
  if (book.orders().empty()) return absl::OkStatus();
  // Whatever the planner had: one that was made anew has the options that the run began with.
  if (absl::Status status = planner.SetOptions(book.OptionsAt(iteration)); !status.ok()) return status;
  for (const v1::Order& order : book.ActingAt(iteration)) {
    if (order.kind() == v1::Order::KIND_TAIL_REFILL) planner.RefillTail();
  }
  return absl::OkStatus();
}

}  // namespace shoal
