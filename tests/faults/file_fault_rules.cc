#include "tests/faults/file_fault_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <utility>

namespace shoal::file_faults {
namespace {

[[noreturn]] void BadRule(const std::string& rule) {
  fprintf(stderr, "file_faults: \"%s\" is no rule\n", rule.c_str());
  abort();
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

Rule ParseRule(const std::string& text) {
  const std::vector<std::string> parts = Split(text, ':');
  if (parts.size() != 4) BadRule(text);
  Rule rule;
  rule.text = text;
  const std::string& action = parts[0];
  if (action == "kill") rule.action = Action::kKill;
  if (action == "kill_after") rule.action = Action::kKillAfter;
  if (action == "torn") rule.action = Action::kTorn;
  if (action == "power") rule.action = Action::kPower;
  if (action == "short") rule.action = Action::kShort;
  for (const auto& [name, error] : {std::pair<const char*, int>{"enospc", ENOSPC},
                                    {"edquot", EDQUOT}, {"eio", EIO}, {"erofs", EROFS},
                                    {"einval", EINVAL}}) {
    if (action != name) continue;
    rule.action = Action::kFail;
    rule.error = error;
  }
  if (rule.action == Action::kNone) BadRule(text);
  rule.operation = parts[1];
  bool known = false;
  for (const char* name : {"open", "write", "sync", "rename", "unlink", "truncate", "mkdir", "send",
                           "receive", "any"}) {
    known |= rule.operation == name;
  }
  rule.where = parts[2];
  rule.least_bytes = strtoull(parts[2].c_str(), nullptr, 10);
  const std::vector<std::string> range = Split(parts[3], '-');
  rule.first = rule.last = strtoll(range[0].c_str(), nullptr, 10);
  if (!parts[3].empty() && parts[3].back() == '+') rule.last = INT64_MAX;
  if (range.size() == 2) rule.last = strtoll(range[1].c_str(), nullptr, 10);
  if (!known || rule.first < 1 || rule.last < rule.first) BadRule(text);
  return rule;
}

}  // namespace

void ParseRules(const std::string& text, std::vector<Rule>& rules) {
  rules.clear();
  for (const std::string& part : Split(text, ';')) {
    if (!part.empty()) rules.push_back(ParseRule(part));
  }
}

bool Concerns(const Rule& rule, const std::string& operation, bool message) {
  const bool any = rule.operation == "any" && !message;
  const bool full_disk = rule.error == ENOSPC || rule.error == EDQUOT;
  if (operation == "reopen") return !full_disk && (any || rule.operation == "open");
  if (full_disk && (operation == "unlink" || operation == "truncate")) return false;
  return any || rule.operation == operation;
}

}  // namespace shoal::file_faults
