// An order on the command line.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/run_target.h"
#include "shoal/v1/run.pb.h"

namespace shoal {

struct OrderArguments {
  RunTarget target;
  v1::Order order;
  // 0: with the next plan.
  int64_t at = 0;
  // "": a new one.
  std::string request_id;
};

// The run, --at (where the order acts with a plan) and --request_id. `arguments` must outlive parsing.
void AddOrderOptions(CLI::App& command, OrderArguments& arguments, v1::Order::Kind kind,
                     bool with_iteration);

// Sends the order, prints when it acts, and returns the exit code. `command`: for messages.
int GiveOrder(OrderArguments& arguments, const std::string& command);

// pause, resume, stop, checkpoint, set.
std::vector<Command> AddOrderCommands(CLI::App& app);

}  // namespace shoal
