// The rules of file_faults.h, read from text.
//
// No lock, no file: the layer that follows them has both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace shoal::file_faults {

enum class Action { kNone, kKill, kKillAfter, kTorn, kPower, kShort, kFail };

struct Rule {
  Action action = Action::kNone;
  int error = 0;
  std::string operation;
  std::string where;
  size_t least_bytes = 0;
  int64_t first = 1, last = 1;
  int64_t seen = 0, fired = 0;
  bool reported = false;
  std::string text;
};

// Replaces `rules`. Ends the program where the text is none: a test would say nothing.
void ParseRules(const std::string& text, std::vector<Rule>& rules);

// Whether the rule is about operations of this name. "reopen" is an open of a file that is there already.
bool Concerns(const Rule& rule, const std::string& operation, bool message);

}  // namespace shoal::file_faults
