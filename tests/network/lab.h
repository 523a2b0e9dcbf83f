// A network of its own for tests: network namespaces for some machines, joined by a bridge in one
// more, in which frames can be dropped and links slowed down. Nothing of the host's network is
// touched: every interface is made inside the lab's own namespaces.
//
// Needs root, ip and tc (iproute2), nft (nftables), and a kernel that allows all of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal {

// Runs a tool to its end and returns what it printed. An error has what it said. It must not take
// longer than half a minute.
absl::StatusOr<std::string> RunTool(std::vector<std::string> argv);

// Not thread safe.
class NetworkLab {
 public:
  // What a lab needs and is not to be had here, for people; "" if nothing is missing.
  static std::string Missing();

  // One machine for each name: up to 200, of letters, digits and '-'. Namespaces that a killed test
  // left behind are removed.
  static absl::StatusOr<std::unique_ptr<NetworkLab>> Create(const std::vector<std::string>& machines);
  // Removes the namespaces. Programs in them must have ended.
  ~NetworkLab();
  NetworkLab(const NetworkLab&) = delete;
  NetworkLab& operator=(const NetworkLab&) = delete;

  // Its IPv4 address.
  std::string Address(const std::string& machine) const;
  // The command as it runs on that machine.
  std::vector<std::string> On(const std::string& machine, std::vector<std::string> command) const;

  // Drops everything to and from the machine, without a word to anybody, until Heal.
  absl::Status Cut(const std::string& machine);
  absl::Status Heal(const std::string& machine);
  // From now on every frame is dropped with this probability, in percent, wherever it goes.
  absl::Status Lose(int percent);
  // Frames that Lose has dropped.
  absl::StatusOr<int64_t> Lost() const;
  // Both directions of the machine's link at tc's "2mbit", "500kbit", ...
  absl::Status SlowDown(const std::string& machine, const std::string& rate);

 private:
  NetworkLab(std::string prefix, std::vector<std::string> machines)
      : prefix_(std::move(prefix)), machines_(std::move(machines)) {}

  absl::Status Build();
  int IndexOf(const std::string& machine) const;
  std::string Namespace(const std::string& name) const { return prefix_ + name; }
  // The machine's port at the bridge.
  std::string Port(const std::string& machine) const;
  // Runs a command in the bridge's namespace.
  absl::StatusOr<std::string> OnBridge(std::vector<std::string> command) const;
  absl::Status Nft(const std::string& commands) const;

  const std::string prefix_;
  const std::vector<std::string> machines_;
};

}  // namespace shoal
