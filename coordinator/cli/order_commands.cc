// shoal pause, resume, stop, checkpoint, set, tail refill: orders to a running run.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "coordinator/cli/cluster_commands.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/order_command.h"
#include "coordinator/run/orders.h"

namespace shoal {
namespace {

std::string NewRequestId() {
  std::random_device random;
  return absl::StrFormat("%08x%08x%08x%08x", random(), random(), random(), random());
}

// "order 3: set ent_coef 0.01, from iteration 12 on".
std::string TakenText(const v1::Order& order) {
  std::string text = absl::StrCat("order ", order.id(), ": ", OrderText(order));
  if (order.iteration() > 0) {
    return absl::StrCat(text, order.kind() == v1::Order::KIND_PAUSE    ? ", before iteration "
                              : order.kind() == v1::Order::KIND_STOP   ? ", before iteration "
                              : order.kind() == v1::Order::KIND_RESUME ? ", goes on with iteration "
                                                                       : ", with iteration ",
                        order.iteration());
  }
  if (order.at_iteration() > 0) return absl::StrCat(text, ", with iteration ", order.at_iteration());
  return absl::StrCat(text, ", with the next iteration that is planned");
}

// RUN NAME VALUE, or NAME VALUE with --coordinator.
absl::Status ReadSetWords(std::vector<std::string> words, OrderArguments& arguments) {
  const bool by_address = !arguments.target.coordinator.empty();
  if (words.size() != (by_address ? 2u : 3u)) {
    return absl::InvalidArgumentError(
        "shoal set needs RUN NAME VALUE, or NAME VALUE with --coordinator ADDRESS");
  }
  if (!by_address) {
    arguments.target.run = words.front();
    words.erase(words.begin());
  }
  arguments.order.set_name(words[0]);
  arguments.order.set_value(words[1]);
  return absl::OkStatus();
}

Command AddSimpleOrder(CLI::App& app, const char* name, const char* help, v1::Order::Kind kind,
                       bool with_iteration) {
  auto arguments = std::make_shared<OrderArguments>();
  CLI::App* command = app.add_subcommand(name, help);
  AddOrderOptions(*command, *arguments, kind, with_iteration);
  return Command{command, [arguments, name] { return GiveOrder(*arguments, name); }};
}

}  // namespace

void AddOrderOptions(CLI::App& command, OrderArguments& arguments, v1::Order::Kind kind,
                     bool with_iteration) {
  arguments.order.set_kind(kind);
  AddRunTarget(command, arguments.target);
  if (with_iteration) {
    command
        .add_option("--at", arguments.at, "act with this iteration's plan (default: with the next)")
        ->check(CLI::Range(int64_t{1}, int64_t{1000000}))
        ->type_name("ITERATION");
  }
  command
      .add_option("--request_id", arguments.request_id,
                  "the same one again is the same order (default: a new one)")
      ->type_name("ID");
}

int GiveOrder(OrderArguments& arguments, const std::string& command) {
  // Of a standing coordinator, any run of its line.
  if (arguments.order.kind() == v1::Order::KIND_STOP && !arguments.target.run.empty() &&
      !arguments.target.coordinator.empty()) {
    return StopClusterRun(arguments.target);
  }
  absl::Status usable = CheckRunTarget(arguments.target, command);
  if (!usable.ok()) return ReportError(usable);
  auto address = CoordinatorAddress(arguments.target);
  if (!address.ok()) return ReportError(address.status());
  v1::GiveOrderRequest request;
  *request.mutable_order() = arguments.order;
  request.mutable_order()->set_at_iteration(arguments.at);
  request.mutable_order()->set_request_id(
      arguments.request_id.empty() ? NewRequestId() : arguments.request_id);
  auto response = AskCoordinator(*address, arguments.target.timeout,
                                 &v1::RunService::Stub::GiveOrder, request);
  if (!response.ok()) return ReportError(response.status());
  if (arguments.target.output == "json") return PrintJson(response->order());
  std::printf("%s\n", TakenText(response->order()).c_str());
  return kExitDone;
}

std::vector<Command> AddOrderCommands(CLI::App& app) {
  std::vector<Command> commands = {
      AddSimpleOrder(app, "pause", "plan no further iteration until `shoal resume`",
                     v1::Order::KIND_PAUSE, false),
      AddSimpleOrder(app, "resume", "go on with a run that was paused", v1::Order::KIND_RESUME, false),
      AddSimpleOrder(app, "stop", "stop after the commit of this iteration; the run can be resumed",
                     v1::Order::KIND_STOP, false),
      AddSimpleOrder(app, "checkpoint", "keep the checkpoint of an iteration for good",
                     v1::Order::KIND_CHECKPOINT, true)};
  auto arguments = std::make_shared<OrderArguments>();
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* set = app.add_subcommand("set", "change an option of a run that is on");
  set->add_option("words", *words, "RUN NAME VALUE; NAME VALUE with --coordinator")
      ->required()
      ->expected(2, 3);
  AddOrderOptions(*set, *arguments, v1::Order::KIND_SET, true);
  set->remove_option(set->get_option("run"));
  commands.push_back({set, [arguments, words] {
                        const absl::Status read = ReadSetWords(*words, *arguments);
                        return read.ok() ? GiveOrder(*arguments, "set") : ReportError(read);
                      }});
  return commands;
}

}  // namespace shoal
