// Work in a process of its own, which dies of a fault or of a loss of power.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>

#include "tests/faults/file_faults.h"

namespace shoal {

// How a child ended.
struct Ended {
  // SIGKILL, as the rules kill.
  bool killed = false;
  int code = -1;
  // The work has said that it is done, before the end.
  bool acknowledged = false;
  // What it has said besides.
  std::string words;
};

// What the work in a child tells its parent; what it says is there whatever happens afterwards.
class Witness {
 public:
  void Acknowledge() { acknowledged_ = true; }
  void Say(const std::string& words) { snprintf(words_, sizeof(words_), "%s", words.c_str()); }

 private:
  friend Ended InChild(const std::string&, const std::string&, bool,
                       const std::function<void(Witness&)>&);
  std::atomic<bool> acknowledged_ = false;
  char words_[1024] = "";
};

// Does the work in a forked child under these rules, with `root` watched, and, if it comes to its end,
// loses the power where that is wanted.
inline Ended InChild(const std::string& root, const std::string& rules, bool lose_power,
                     const std::function<void(Witness&)>& work) {
  void* shared = mmap(nullptr, sizeof(Witness), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    ADD_FAILURE() << "no shared memory";
    return {};
  }
  Witness* witness = new (shared) Witness();
  fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    // A hang is a failure too, not a wait.
    alarm(60);
    file_faults::Watch(root);
    file_faults::SetRules(rules);
    work(*witness);
    if (lose_power) file_faults::LosePower();
    _exit(0);
  }
  Ended ended;
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    ADD_FAILURE() << "no child";
  } else {
    ended.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    EXPECT_TRUE(ended.killed || ended.code == 0) << "wait status " << status << " under " << rules;
  }
  ended.acknowledged = witness->acknowledged_;
  ended.words = witness->words_;
  munmap(shared, sizeof(Witness));
  return ended;
}

}  // namespace shoal
