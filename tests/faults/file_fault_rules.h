// The rules of file_faults.h, read from text.
//
// No lock, no file: the layer that follows them has both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace shoal::file_faults {

// ACTION of a rule; kFail with Rule::error.
enum class Action { kNone, kKill, kKillAfter, kTorn, kPower, kShort, kFail };

struct Rule {
  Action action = Action::kNone;
  int error = 0;  // errno
  std::string operation;
  // WHERE: part of a path; of a message the least number of bytes.
  std::string where;
  size_t least_bytes = 0;
  // WHICH of the operations that match, counted from 1, both included.
  int64_t first = 1, last = 1;
  // Operations that matched, and those of them that it acted on.
  int64_t seen = 0, fired = 0;
  bool reported = false;
  std::string text;
};

// Replaces `rules`. Ends the program where the text is none: a test would say nothing.
void ParseRules(const std::string& text, std::vector<Rule>& rules);

// Whether the rule is about operations of this name. "reopen" is an open of a file that is there
// already; `message`: it is a send or a receive, which "any" is not about.
bool Concerns(const Rule& rule, const std::string& operation, bool message);

}  // namespace shoal::file_faults
