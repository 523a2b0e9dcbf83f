#include "coordinator/artifacts/compare.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "coordinator/artifacts/changed_options.h"
#include "coordinator/artifacts/diagnosis.h"
#include "coordinator/artifacts/html.h"

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

std::optional<double> Least(const RunFacts& facts, const char* name) {
  std::optional<double> least;
  if (TailSlots(facts) == 0) return least;
  for (const auto& iteration : facts.iterations) {
    const auto value = Measured(iteration, name);
    if (value && (!least || *value < *least)) least = value;
  }
  return least;
}

absl::StatusOr<ComparedRun> FiguresOf(const RunFacts& facts) {
  ComparedRun run;
  run.name = facts.info.name;
  run.state = RunStateName(facts.info.status);
  run.iterations = static_cast<int64_t>(facts.iterations.size());
  run.total_iterations = facts.options.total_iterations();
  for (const EvaluationFacts& e : facts.evaluations) {
    if (!e.gate) continue;
    auto survival = BootstrapMean(e.summary.final_survival, BootstrapOptions());
    if (!survival.ok()) return survival.status();
    run.evaluated = e.iteration;
    run.survival = *survival;
    run.worst_scene = e.summary.min_final_survival_rate;
    run.p10 = e.summary.p10;
    run.early_death = e.summary.early_death_fraction_100;
    run.step_one = e.summary.step_one_death_count;
    run.avoidable_ratio = e.summary.step_one_avoidable_ratio;
    if (!run.gate_opened && e.gate->event == GateEvent::kAdvance) run.gate_opened = e.iteration;
  }
  run.least_override_ratio = Least(facts, "prewarm_override_ratio");
  run.least_schedule_ratio = Least(facts, "tail_schedule_ratio");
  return run;
}

std::vector<ComparedOption> DifferentOptions(const std::vector<RunFacts>& runs) {
  std::vector<std::map<std::string, std::string>> values;
  for (const RunFacts& run : runs) values.push_back(OptionValues(run.options));
  std::set<std::string> names;
  for (const auto& of_run : values) {
    for (const auto& [name, value] : of_run) names.insert(name);
  }
  names.erase("run_name");
  std::vector<ComparedOption> options;
  for (const std::string& name : names) {
    ComparedOption option{name, {}};
    for (auto& of_run : values) option.values.push_back(of_run[name]);
    const bool equal = std::all_of(option.values.begin(), option.values.end(),
                                   [&](const std::string& value) { return value == option.values[0]; });
    if (!equal) options.push_back(std::move(option));
  }
  return options;
}

// The scenes that both evaluations played; none where these are not alike.
absl::StatusOr<std::optional<PairedScenes>> Pair(const EvaluationFacts& first,
                                                 const EvaluationFacts& second) {
  if (first.kind != second.kind || first.summary.num_fish != second.summary.num_fish) return std::nullopt;
  std::map<uint64_t, double> by_seed;
  for (size_t i = 0; i < first.summary.episode_seeds.size(); ++i) {
    by_seed[first.summary.episode_seeds[i]] = first.summary.final_survival[i];
  }
  std::vector<double> a, b;
  for (size_t i = 0; i < second.summary.episode_seeds.size(); ++i) {
    const auto same = by_seed.find(second.summary.episode_seeds[i]);
    if (same == by_seed.end()) continue;
    a.push_back(same->second);
    b.push_back(second.summary.final_survival[i]);
  }
  if (a.size() < 2) return std::nullopt;
  auto result = ComparePaired(a, b, BootstrapOptions());
  if (!result.ok()) return result.status();
  PairedScenes paired;
  paired.kind = second.kind;
  paired.first_iteration = first.iteration;
  paired.iteration = second.iteration;
  paired.scenes = static_cast<int64_t>(a.size());
  paired.result = *result;
  return paired;
}

template <typename T>
Json Value(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// The table of figures: rows of names, one column a run.
std::vector<std::pair<std::string, std::vector<std::string>>> Figures(const RunComparison& comparison) {
  std::vector<std::pair<std::string, std::vector<std::string>>> rows;
  const auto add = [&](const std::string& name, auto text) {
    rows.emplace_back(name, std::vector<std::string>());
    for (const ComparedRun& run : comparison.runs) rows.back().second.push_back(text(run));
  };
  const auto number = [](const char* format, std::optional<double> value, double factor = 1) {
    return value ? absl::StrFormat(*absl::ParsedFormat<'f'>::New(format), *value * factor) : std::string("-");
  };
  const auto count = [](std::optional<int64_t> value) { return value ? absl::StrCat(*value) : std::string("-"); };
  add("state", [](const ComparedRun& r) { return r.state; });
  add("iterations", [](const ComparedRun& r) { return absl::StrCat(r.iterations, " of ", r.total_iterations); });
  add("last multi-evaluation, iteration", [&](const ComparedRun& r) { return count(r.evaluated); });
  add("average final survival", [](const ComparedRun& r) { return r.survival ? absl::StrFormat("%.4f", r.survival->mean) : "-"; });
  add("  95 % interval", [](const ComparedRun& r) {
    return r.survival ? absl::StrFormat("%.4f to %.4f", r.survival->low, r.survival->high) : "-";
  });
  add("worst scene", [&](const ComparedRun& r) { return number("%.4f", r.worst_scene); });
  add("p10 of the death step", [&](const ComparedRun& r) { return number("%.1f", r.p10); });
  add("dead before step 100, %", [&](const ComparedRun& r) { return number("%.2f", r.early_death, 100); });
  add("step-one deaths", [&](const ComparedRun& r) { return count(r.step_one); });
  add("avoidable step-one deaths, %", [&](const ComparedRun& r) { return number("%.2f", r.avoidable_ratio, 100); });
  add("gate up a stage at (target: by 32)", [&](const ComparedRun& r) { return count(r.gate_opened); });
  add("least prewarm_override_ratio (target: above 0.25)", [&](const ComparedRun& r) { return number("%.2f", r.least_override_ratio); });
  add("least tail_schedule_ratio (target: at least 0.25)", [&](const ComparedRun& r) { return number("%.2f", r.least_schedule_ratio); });
  return rows;
}

std::vector<std::string> PairedHead() {
  return {"run", "kind", "iteration", "first run's", "scenes", "difference", "95 % interval", "better", "equal", "worse"};
}

std::vector<std::string> PairedRow(const RunComparison& comparison, const PairedScenes& p) {
  const ConfidenceInterval& d = p.result.difference;
  return {comparison.runs[p.run].name, p.kind, absl::StrCat(p.iteration), absl::StrCat(p.first_iteration), absl::StrCat(p.scenes),
          absl::StrFormat("%+.4f", d.mean), absl::StrFormat("%+.4f to %+.4f", d.low, d.high), absl::StrCat(p.result.second_better),
          absl::StrCat(p.result.equal), absl::StrCat(p.result.first_better)};
}

// Columns as wide as they must be; the first to the left, others to the right.
std::string Aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - row[i].size(), ' ');
      absl::StrAppend(&text, i == 0 ? "" : "  ", i == 0 ? "" : space, row[i], i == 0 && row.size() > 1 ? space : "");
    }
    text += "\n";
  }
  return text;
}

std::vector<std::string> Head(const RunComparison& comparison, const char* first) {
  std::vector<std::string> head = {first};
  for (const ComparedRun& run : comparison.runs) head.push_back(run.name);
  return head;
}

std::vector<std::string> Row(const std::string& name, const std::vector<std::string>& values) {
  std::vector<std::string> row = {name};
  row.insert(row.end(), values.begin(), values.end());
  return row;
}

constexpr char kNothingPaired[] = "No evaluations played the same scenes: runs with one multi_eval_seed_base and equal "
                                  "eval_multi_fish can be compared scene by scene.";

}  // namespace

absl::StatusOr<RunComparison> CompareRuns(const std::vector<RunFacts>& runs) {
  if (runs.size() < 2) return absl::InvalidArgumentError("a comparison needs at least two runs");
  RunComparison comparison;
  for (const RunFacts& facts : runs) {
    auto run = FiguresOf(facts);
    if (!run.ok()) return run.status();
    comparison.runs.push_back(*std::move(run));
  }
  comparison.options = DifferentOptions(runs);
  for (size_t k = 1; k < runs.size(); ++k) {
    for (const EvaluationFacts& second : runs[k].evaluations) {
      for (const EvaluationFacts& first : runs[0].evaluations) {
        auto paired = Pair(first, second);
        if (!paired.ok()) return paired.status();
        if (!*paired) continue;
        (*paired)->run = k;
        comparison.paired.push_back(**std::move(paired));
      }
    }
  }
  return comparison;
}

Json ToJson(const RunComparison& comparison) {
  Json runs = Json::array(), options = Json::array(), paired = Json::array();
  for (const ComparedRun& r : comparison.runs) {
    runs.push_back({{"name", r.name}, {"state", r.state}, {"iterations", r.iterations}, {"total_iterations", r.total_iterations},
                    {"evaluated_iteration", Value(r.evaluated)},
                    {"avg_final_survival_rate", r.survival ? Json(r.survival->mean) : Json(nullptr)},
                    {"interval_low", r.survival ? Json(r.survival->low) : Json(nullptr)},
                    {"interval_high", r.survival ? Json(r.survival->high) : Json(nullptr)},
                    {"min_final_survival_rate", Value(r.worst_scene)}, {"p10", Value(r.p10)},
                    {"early_death_fraction_100", Value(r.early_death)}, {"step_one_death_count", Value(r.step_one)},
                    {"step_one_avoidable_ratio", Value(r.avoidable_ratio)}, {"gate_opened_iteration", Value(r.gate_opened)},
                    {"least_prewarm_override_ratio", Value(r.least_override_ratio)},
                    {"least_tail_schedule_ratio", Value(r.least_schedule_ratio)}});
  }
  for (const ComparedOption& o : comparison.options) options.push_back({{"name", o.name}, {"values", o.values}});
  for (const PairedScenes& p : comparison.paired) {
    paired.push_back({{"run", comparison.runs[p.run].name}, {"first", comparison.runs[0].name}, {"kind", p.kind}, {"iteration", p.iteration},
                      {"first_iteration", p.first_iteration}, {"scenes", p.scenes}, {"mean_difference", p.result.difference.mean},
                      {"interval_low", p.result.difference.low}, {"interval_high", p.result.difference.high},
                      {"better", p.result.second_better}, {"equal", p.result.equal}, {"worse", p.result.first_better}});
  }
  return {{"runs", std::move(runs)}, {"options", std::move(options)}, {"paired", std::move(paired)}};
}

std::string ComparisonText(const RunComparison& comparison) {
  std::vector<std::vector<std::string>> figures = {Head(comparison, "")};
  for (const auto& [name, values] : Figures(comparison)) figures.push_back(Row(name, values));
  std::vector<std::vector<std::string>> options = {Head(comparison, "options that differ")};
  for (const ComparedOption& option : comparison.options) options.push_back(Row(option.name, option.values));
  std::vector<std::vector<std::string>> paired = {PairedHead()};
  for (const PairedScenes& p : comparison.paired) paired.push_back(PairedRow(comparison, p));
  return absl::StrCat(Aligned(figures), "\n", Aligned(options), "\n",
                      comparison.paired.empty() ? absl::StrCat(kNothingPaired, "\n")
                                                : absl::StrCat("final survival less that of ", comparison.runs[0].name, ", on the same scenes\n", Aligned(paired)));
}

std::string ComparisonPage(const RunComparison& comparison) {
  const auto table = [](const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows,
                        HtmlColumn::Kind kind = HtmlColumn::Kind::kNumber) {
    std::vector<HtmlCells> cells = rows;
    for (HtmlCells& row : cells) {
      for (std::string& cell : row) cell = HtmlText(cell);
    }
    std::vector<HtmlColumn> columns;
    for (const std::string& title : head) columns.emplace_back(title, kind);
    return HtmlTable(columns, cells);
  };
  std::vector<std::vector<std::string>> figures, options, paired;
  for (const auto& [name, values] : Figures(comparison)) figures.push_back(Row(name, values));
  for (const ComparedOption& option : comparison.options) options.push_back(Row(option.name, option.values));
  for (const PairedScenes& p : comparison.paired) paired.push_back(PairedRow(comparison, p));
  return HtmlPage(
      "Runs side by side",
      absl::StrCat(table(Head(comparison, "figure"), figures), "<h2>On the same scenes</h2>\n",
                   paired.empty() ? absl::StrCat("<p>", kNothingPaired, "</p>\n")
                                  : absl::StrCat("<p>Final survival less that of ", HtmlText(comparison.runs[0].name), ".</p>\n", table(PairedHead(), paired),
                                                 "<p class=\"small\">Interval of the mean difference: percentile bootstrap over scenes, 10,000 resamples, seed 0. "
                                                 "One that holds 0 is no sign of a difference.</p>\n"),
                   "<h2>Options that differ</h2>\n", options.empty() ? "<p>None.</p>\n" : table(Head(comparison, "option"), options, HtmlColumn::Kind::kText)));
}

}  // namespace shoal
