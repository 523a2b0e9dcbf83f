// Runs the built `shoal` as a user would, for tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/files.h"
#include "common/subprocess.h"

namespace shoal {

// Generous: only a hang gets there, and not what runs at low priority (`shoal finish`) with a sanitizer
// on a busy machine.
inline constexpr absl::Duration kPatience = absl::Seconds(300);

// What a finished command left.
struct Finished {
  int code = -1;
  std::string out;
  std::string error;
};

// A folder of its own for every test, removed at its end.
class Workplace {
 public:
  Workplace() {
    std::string pattern = testing::TempDir() + "/shoal-e2e-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~Workplace() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string Path(const std::string& name) const { return absl::StrCat(folder_, "/", name); }
  std::string Write(const std::string& name, const std::string& text) const {
    EXPECT_TRUE(WriteFileAtomically(Path(name), text).ok());
    return Path(name);
  }
  std::string Read(const std::string& name) const {
    auto text = ReadFile(Path(name));
    return text.ok() ? *text : "";
  }

 private:
  std::string folder_;
};

inline std::string BinFolder() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "bin").string();
}

// A command that is running.
class Running {
 public:
  Running(const Workplace& place, std::vector<std::string> arguments) : place_(place) {
    static int count = 0;
    name_ = absl::StrCat("command-", count++);
    SubprocessOptions options;
    options.argv = {BinFolder() + "/shoal"};
    options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
    options.stdout_path = place.Path(name_ + ".out");
    options.stderr_path = place.Path(name_ + ".err");
    auto process = Subprocess::Start(options);
    EXPECT_TRUE(process.ok()) << process.status();
    process_ = *std::move(process);
  }

  std::string Out() const { return place_.Read(name_ + ".out"); }
  Subprocess& process() { return *process_; }

  // Waits until the condition holds or the command ends; what it says then.
  bool WaitUntil(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      if (condition()) return true;
      // The wait for the command's end paces the loop.
      if (process_->WaitFor(absl::Milliseconds(5))) return condition();
    }
    return false;
  }

  Finished Finish() {
    Finished finished;
    const auto status = process_->WaitFor(kPatience);
    EXPECT_TRUE(status.has_value()) << "the command hangs; so far it said\n" << Out();
    if (status) finished.code = status->signal != 0 ? 128 + status->signal : status->code;
    finished.out = Out();
    finished.error = place_.Read(name_ + ".err");
    return finished;
  }

 private:
  const Workplace& place_;
  std::string name_;
  std::unique_ptr<Subprocess> process_;
};

inline Finished Shoal(const Workplace& place, std::vector<std::string> arguments) {
  return Running(place, std::move(arguments)).Finish();
}

// The value after "policy_sha256 " in what `shoal train` prints; "" if there is none.
inline std::string PolicySha256(const std::string& out) {
  const std::string mark = "policy_sha256 ";
  const size_t at = out.rfind(mark);
  return at == std::string::npos ? "" : out.substr(at + mark.size(), 64);
}

}  // namespace shoal
