#include "coordinator/sweep/table.h"

#include <algorithm>
#include <map>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

// A row's values on a bank by seed.
using BySeed = std::map<uint64_t, double>;

absl::StatusOr<SweepCell> MakeCell(const BySeed& values, const BySeed* first) {
  SweepCell cell;
  std::vector<double> samples;
  for (const auto& [seed, value] : values) samples.push_back(value);
  if (samples.empty()) return cell;
  cell.seeds = static_cast<int64_t>(samples.size());
  auto interval = BootstrapMean(samples, BootstrapOptions{});
  if (!interval.ok()) return interval.status();
  cell.survival = *interval;
  cell.interquartile_mean = InterquartileMean(samples);
  cell.worst = *std::min_element(samples.begin(), samples.end());
  if (first == nullptr) return cell;
  std::vector<double> mine, theirs;
  for (const auto& [seed, value] : values) {
    const auto other = first->find(seed);
    if (other == first->end()) continue;
    mine.push_back(value);
    theirs.push_back(other->second);
  }
  if (mine.empty()) return cell;
  auto paired = ComparePaired(theirs, mine, BootstrapOptions{});
  if (!paired.ok()) return paired.status();
  cell.difference = paired->difference;
  return cell;
}

std::string SurvivalText(const ConfidenceInterval& interval) {
  return absl::StrFormat("%.4f [%.4f, %.4f]", interval.mean, interval.low, interval.high);
}

std::string DifferenceText(const ConfidenceInterval& interval) {
  return absl::StrFormat("%+.4f [%+.4f, %+.4f]", interval.mean, interval.low, interval.high);
}

Json IntervalJson(const ConfidenceInterval& interval) {
  return {{"mean", interval.mean}, {"low", interval.low}, {"high", interval.high}};
}

}  // namespace

double InterquartileMean(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const size_t cut = samples.size() / 4;
  return *MeanValue(std::span(samples).subspan(cut, samples.size() - 2 * cut));
}

absl::StatusOr<SweepTable> MakeSweepTable(const SweepPlan& plan,
                                          std::span<const SweepResult> results) {
  for (const SweepResult& result : results) {
    if (result.row >= plan.rows.size()) {
      return absl::InvalidArgumentError("a result of a row that the sweep does not have");
    }
    if (result.error.empty() && result.survival.size() != plan.banks.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("row ", plan.rows[result.row].name, ", seed ", result.seed, ": ",
                       result.survival.size(), " values for ", plan.banks.size(), " banks"));
    }
  }
  SweepTable table;
  for (size_t bank = 0; bank < plan.banks.size(); ++bank) {
    std::vector<BySeed> values(plan.rows.size());
    for (const SweepResult& result : results) {
      if (result.error.empty()) values[result.row][result.seed] = result.survival[bank];
    }
    std::vector<SweepCell> cells;
    for (size_t row = 0; row < plan.rows.size(); ++row) {
      auto cell = MakeCell(values[row], row == 0 ? nullptr : &values[0]);
      if (!cell.ok()) return cell.status();
      cells.push_back(*std::move(cell));
    }
    table.cells.push_back(std::move(cells));
  }
  return table;
}

std::string SweepMarkdown(const SweepPlan& plan, const SweepTable& table,
                          std::span<const SweepResult> results) {
  std::string text;
  for (size_t bank = 0; bank < plan.banks.size(); ++bank) {
    absl::StrAppend(&text, "Bank ", plan.banks[bank], ", survival over seeds, 95 % intervals:\n\n",
                    "| row | seeds | mean | IQM | worst | difference from ", plan.rows[0].name,
                    " |\n| --- | --- | --- | --- | --- | --- |\n");
    for (size_t row = 0; row < plan.rows.size(); ++row) {
      const SweepCell& cell = table.cells[bank][row];
      absl::StrAppend(&text, "| ", plan.rows[row].name, " | ", cell.seeds, " | ");
      if (cell.seeds == 0) {
        absl::StrAppend(&text, "- | - | - | - |\n");
        continue;
      }
      absl::StrAppend(&text, SurvivalText(cell.survival), " | ",
                      absl::StrFormat("%.4f | %.4f | ", cell.interquartile_mean, cell.worst),
                      cell.difference ? DifferenceText(*cell.difference) : "-", " |\n");
    }
    absl::StrAppend(&text, "\n");
  }
  for (const SweepResult& result : results) {
    if (result.error.empty()) continue;
    absl::StrAppend(&text, "No result: ", plan.rows[result.row].name, ", seed ", result.seed, ": ",
                    result.error, "\n");
  }
  return text;
}

std::string SweepTsv(const SweepPlan& plan, const SweepTable& table) {
  std::string text =
      "bank\trow\tseeds\tmean\tlow\thigh\tiqm\tworst\tdifference\tdifference_low\tdifference_high\n";
  for (size_t bank = 0; bank < plan.banks.size(); ++bank) {
    for (size_t row = 0; row < plan.rows.size(); ++row) {
      const SweepCell& cell = table.cells[bank][row];
      absl::StrAppend(&text, plan.banks[bank], "\t", plan.rows[row].name, "\t", cell.seeds);
      if (cell.seeds > 0) {
        absl::StrAppendFormat(&text, "\t%.6f\t%.6f\t%.6f\t%.6f\t%.6f", cell.survival.mean,
                              cell.survival.low, cell.survival.high, cell.interquartile_mean,
                              cell.worst);
      } else {
        absl::StrAppend(&text, "\t\t\t\t\t");
      }
      if (cell.difference) {
        absl::StrAppendFormat(&text, "\t%.6f\t%.6f\t%.6f", cell.difference->mean,
                              cell.difference->low, cell.difference->high);
      } else {
        absl::StrAppend(&text, "\t\t\t");
      }
      absl::StrAppend(&text, "\n");
    }
  }
  return text;
}

std::string SweepJson(const SweepPlan& plan, const SweepTable& table,
                      std::span<const SweepResult> results) {
  Json json;
  json["banks"] = plan.banks;
  json["seeds"] = plan.seeds;
  for (size_t row = 0; row < plan.rows.size(); ++row) {
    Json line = {{"name", plan.rows[row].name}};
    line["options"] = Json::array();
    for (const SweepOption& option : MergeSweepOptions(plan.base, plan.rows[row].changes)) {
      line["options"].push_back(option.Argument());
    }
    for (size_t bank = 0; bank < plan.banks.size(); ++bank) {
      const SweepCell& cell = table.cells[bank][row];
      Json entry = {{"bank", plan.banks[bank]}, {"seeds", cell.seeds}};
      if (cell.seeds > 0) {
        entry["survival"] = IntervalJson(cell.survival);
        entry["interquartile_mean"] = cell.interquartile_mean;
        entry["worst"] = cell.worst;
      }
      if (cell.difference) entry["difference_from_first"] = IntervalJson(*cell.difference);
      line["results"].push_back(entry);
    }
    json["rows"].push_back(line);
  }
  json["runs"] = Json::array();
  for (const SweepResult& result : results) {
    Json run = {{"row", plan.rows[result.row].name}, {"seed", result.seed}};
    if (result.error.empty()) {
      run["survival"] = result.survival;
      run["policy_sha256"] = result.policy_sha256;
    } else {
      run["error"] = result.error;
    }
    json["runs"].push_back(run);
  }
  return json.dump(2) + "\n";
}

}  // namespace shoal
