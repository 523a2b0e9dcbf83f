#include "coordinator/sweep/plan.h"

#include <algorithm>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace shoal {
namespace {

constexpr size_t kMaxRuns = 1000;

bool IsName(absl::string_view name) {
  return !name.empty() && name.size() <= 96 && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
         });
}

// A value as a part of a row's name.
std::string NamePart(absl::string_view value) {
  std::string part;
  for (const char c : value) part += absl::ascii_isalnum(c) || c == '.' || c == '-' ? c : '-';
  return part.empty() ? "none" : part;
}

std::vector<std::string> Words(absl::string_view line) {
  return absl::StrSplit(std::string(line), absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

// One entry of a file, its first word taken off.
absl::Status AddEntry(const std::string& kind, std::vector<std::string> words, SweepPlan& plan) {
  if (kind == "base" || kind == "row") {
    SweepRow row;
    if (kind == "row") {
      if (words.empty()) return absl::InvalidArgumentError("a row needs a name");
      row.name = words[0];
      words.erase(words.begin());
    }
    auto options = ParseSweepOptions(words);
    if (!options.ok()) return options.status();
    if (kind == "base") {
      plan.base = MergeSweepOptions(std::move(plan.base), *options);
    } else {
      row.changes = *std::move(options);
      plan.rows.push_back(std::move(row));
    }
    return absl::OkStatus();
  }
  if (kind == "seeds") {
    auto seeds = ParseSeeds(absl::StrJoin(words, ","));
    if (!seeds.ok()) return seeds.status();
    plan.seeds = *std::move(seeds);
    return absl::OkStatus();
  }
  if (kind == "bank") {
    plan.banks.push_back(absl::StrJoin(words, " "));
    return absl::OkStatus();
  }
  if (kind == "grid") {
    auto rows = ExpandGrid(words);
    if (!rows.ok()) return rows.status();
    plan.rows.insert(plan.rows.end(), rows->begin(), rows->end());
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", kind, "\": a line begins with base, seeds, bank, grid or row"));
}

}  // namespace

std::string SweepOption::Argument() const {
  return value ? absl::StrCat("--", name, "=", *value) : absl::StrCat("--", name);
}

absl::StatusOr<SweepOptions> ParseSweepOptions(const std::vector<std::string>& words) {
  SweepOptions options;
  for (const std::string& word : words) {
    absl::string_view text = word;
    if (!absl::ConsumePrefix(&text, "--")) {
      if (options.empty() || options.back().value) {
        return absl::InvalidArgumentError(
            absl::StrCat("\"", word, "\": expected is an option, --NAME VALUE or --NAME=VALUE"));
      }
      options.back().value = word;
      continue;
    }
    const size_t equals = text.find('=');
    SweepOption option;
    option.name = std::string(text.substr(0, equals));
    if (option.name.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("\"", word, "\": an option without a name"));
    }
    if (equals != text.npos) option.value = std::string(text.substr(equals + 1));
    options.push_back(std::move(option));
  }
  return options;
}

SweepOptions MergeSweepOptions(SweepOptions base, const SweepOptions& changes) {
  for (const SweepOption& change : changes) {
    const auto same = std::find_if(base.begin(), base.end(), [&](const SweepOption& option) {
      return option.name == change.name;
    });
    if (same == base.end()) {
      base.push_back(change);
    } else {
      *same = change;
    }
  }
  return base;
}

absl::StatusOr<std::vector<uint64_t>> ParseSeeds(absl::string_view text) {
  const auto error = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        "seeds ", text, ": expected are whole numbers and ranges, none twice and at most ", kMaxRuns,
        ", for example 1-5 or 1,3,7-9"));
  };
  std::vector<uint64_t> seeds;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> ends = absl::StrSplit(part, '-');
    uint64_t first = 0, last = 0;
    if (ends.size() > 2 || !absl::SimpleAtoi(ends.front(), &first) ||
        !absl::SimpleAtoi(ends.back(), &last) || last < first ||
        last - first >= kMaxRuns - std::min(seeds.size(), kMaxRuns)) {
      return error();
    }
    for (uint64_t i = 0; i <= last - first; ++i) seeds.push_back(first + i);
  }
  if (std::set<uint64_t>(seeds.begin(), seeds.end()).size() != seeds.size()) return error();
  return seeds;
}

absl::StatusOr<std::vector<SweepRow>> ExpandGrid(const std::vector<std::string>& axes) {
  std::vector<SweepRow> rows = {SweepRow()};
  for (const std::string& axis : axes) {
    const size_t equals = axis.find('=');
    absl::string_view name = absl::string_view(axis).substr(0, equals);
    absl::ConsumePrefix(&name, "--");
    if (equals == axis.npos || name.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("grid ", axis, ": expected is NAME=VALUE,VALUE,..."));
    }
    const std::string values = axis.substr(equals + 1);
    const char separator = values.find(';') != values.npos ? ';' : ',';
    const std::vector<std::string> split = absl::StrSplit(values, separator);
    // Before they are made: a line can name far more than there is room for.
    if (rows.size() * split.size() > kMaxRuns) {
      return absl::InvalidArgumentError(
          absl::StrCat("the grid has more than ", kMaxRuns, " rows"));
    }
    std::vector<SweepRow> longer;
    for (const SweepRow& row : rows) {
      for (const std::string& value : split) {
        SweepRow next = row;
        absl::StrAppend(&next.name, row.name.empty() ? "" : "_", name, "-", NamePart(value));
        next.changes.push_back({std::string(name), value});
        longer.push_back(std::move(next));
      }
    }
    rows = std::move(longer);
  }
  if (axes.empty()) rows.clear();
  return rows;
}

absl::StatusOr<SweepPlan> ParseSweepFile(absl::string_view text, absl::string_view path) {
  SweepPlan plan;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    std::vector<std::string> words = Words(line.substr(0, line.find('#')));
    if (words.empty()) continue;
    const std::string kind = words[0];
    words.erase(words.begin());
    if (absl::Status status = AddEntry(kind, std::move(words), plan); !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": ", status.message()));
    }
  }
  return plan;
}

absl::Status CheckPlan(SweepPlan& plan) {
  if (plan.seeds.empty()) return absl::InvalidArgumentError("a sweep needs seeds, for example 1-5");
  if (plan.banks.empty()) {
    return absl::InvalidArgumentError(
        "a sweep needs a bank to evaluate on, for example --bank 412000:40");
  }
  if (plan.rows.empty()) plan.rows.push_back({"base", {}});
  if (plan.rows.size() * plan.seeds.size() > kMaxRuns) {
    return absl::InvalidArgumentError(absl::StrCat(plan.rows.size(), " rows of ", plan.seeds.size(),
                                                   " seeds: at most ", kMaxRuns, " runs are right"));
  }
  std::set<std::string> names;
  for (const SweepRow& row : plan.rows) {
    if (!IsName(row.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("row ", row.name, ": accepted are up to 96 letters, digits, '_', '-' and '.', "
                       "not beginning with '-' or '.'; rows of a file may have names of their own"));
    }
    if (!names.insert(row.name).second) {
      return absl::InvalidArgumentError(absl::StrCat("two rows are named ", row.name));
    }
    for (const SweepOption& option : MergeSweepOptions(plan.base, row.changes)) {
      for (const char* own : {"seed", "run_name", "out", "resume", "continue"}) {
        if (option.name == own) {
          return absl::InvalidArgumentError(
              absl::StrCat("--", own, " is the sweep's own to set for its runs"));
        }
      }
    }
  }
  return absl::OkStatus();
}

std::vector<SweepRun> ExpandRuns(const SweepPlan& plan, const SweepOptions& defaults) {
  std::vector<SweepRun> runs;
  for (const uint64_t seed : plan.seeds) {
    for (size_t row = 0; row < plan.rows.size(); ++row) {
      SweepRun run;
      run.row = row;
      run.seed = seed;
      run.name = absl::StrCat(plan.rows[row].name, "_s", seed);
      SweepOptions options = MergeSweepOptions(
          MergeSweepOptions(defaults, MergeSweepOptions(plan.base, plan.rows[row].changes)),
          {{"seed", absl::StrCat(seed)}, {"run_name", run.name}});
      for (const SweepOption& option : options) run.arguments.push_back(option.Argument());
      runs.push_back(std::move(run));
    }
  }
  return runs;
}

}  // namespace shoal
