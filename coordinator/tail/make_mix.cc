#include "coordinator/tail/make_mix.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/rng.h"
#include "coordinator/tail/clusters.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

constexpr int64_t kMaxCount = 10'000'000;
// A narrower range could vanish between the decimals that are written.
constexpr double kMinWidth = 1e-3;

// Numbers of one purpose: counter words are (stream, draw, 0, 0). Part k (from 0) is stream k, the
// last shuffle is stream 2^32 - 1.
class Draws {
 public:
  Draws(uint64_t seed, uint32_t stream) : random_(seed, RandomPurpose::kTailMix), stream_(stream) {}

  double Uniform(double begin, double end) { return begin + (end - begin) * UniformDouble(Next()); }
  size_t Below(size_t n) { return static_cast<size_t>(BoundedInt(Next(), n)); }

 private:
  uint64_t Next() {
    const uint64_t draw = draw_++;
    return random_.Bits(stream_, static_cast<uint32_t>(draw), static_cast<uint32_t>(draw >> 32), 0);
  }

  KeyedRandom random_;
  uint32_t stream_;
  uint64_t draw_ = 0;
};
constexpr uint32_t kShuffleStream = 0xFFFFFFFF;

void Shuffle(std::vector<Velocity>& values, Draws& draws) {
  for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[draws.Below(i)]);
}

bool Contains(const MixRange& range, double value) {
  return range.begin <= value && value < range.end;
}

bool HeadingWithin(const MixRange& range, double degrees) {
  if (range.begin < range.end) return Contains(range, degrees);
  return degrees >= range.begin || degrees < range.end;
}

bool Within(const MixPart& part, const Velocity& velocity) {
  return HeadingWithin(part.heading, HeadingDegrees(velocity)) &&
         Contains(part.speed, Speed(velocity));
}

std::string RangeText(const MixRange& range) { return absl::StrCat(range.begin, "-", range.end); }

double Round9(double value) { return std::round(value * 1e9) / 1e9; }

absl::string_view SourceName(MixPart::Source source) {
  switch (source) {
    case MixPart::Source::kSector:
      return "sector";
    case MixPart::Source::kDeaths:
      return "deaths";
    case MixPart::Source::kOthers:
      return "others";
  }
  return "sector";
}

absl::Status CheckPart(const MixPart& part) {
  if (!(part.share > 0 && part.share <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("share ", part.share, " of a mix's part: must be greater than 0, at most 1"));
  }
  if (part.source == MixPart::Source::kOthers) {
    if (part.clusters >= 1) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(part.clusters, " clusters of a mix's part: must be at least 1"));
  }
  const MixRange& heading = part.heading;
  const double width = heading.end - heading.begin + (heading.begin > heading.end ? 360 : 0);
  if (!(heading.begin >= 0 && heading.begin <= 360 && heading.end >= 0 && heading.end <= 360 &&
        width >= kMinWidth)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sector ", RangeText(heading), ": two different headings from 0 to 360 are accepted"));
  }
  const MixRange& speed = part.speed;
  if (!(speed.begin >= 0 && speed.end <= kMaxTailSpeed && speed.end - speed.begin >= kMinWidth)) {
    return absl::InvalidArgumentError(absl::StrCat("speed ", RangeText(speed),
                                                   ": a range from 0 to at most ", kMaxTailSpeed,
                                                   ", smaller number first, is accepted"));
  }
  return absl::OkStatus();
}

absl::Status CheckRequest(const MixRequest& request) {
  if (request.count < 1 || request.count > kMaxCount) {
    return absl::InvalidArgumentError(
        absl::StrCat("count ", request.count, " of a mix: must be within 1 to ", kMaxCount));
  }
  double sum = 0;
  for (const MixPart& part : request.parts) {
    if (absl::Status status = CheckPart(part); !status.ok()) return status;
    sum += part.share;
  }
  if (std::abs(sum - 1) > 1e-6) {
    return absl::InvalidArgumentError(
        absl::StrCat("the shares of a mix's parts add up to ", sum, ", not to 1"));
  }
  return absl::OkStatus();
}

// Whole numbers that add up to `count`, by largest remainder; equal ones in the parts' order.
std::vector<int64_t> Quotas(const MixRequest& request) {
  std::vector<int64_t> quotas;
  std::vector<double> remainders;
  int64_t left = request.count;
  for (const MixPart& part : request.parts) {
    const double exact = part.share * static_cast<double>(request.count);
    // The tolerance keeps a product like 0.2 * 2560 from losing one to rounding.
    quotas.push_back(std::min(left, static_cast<int64_t>(std::floor(exact + 1e-6))));
    remainders.push_back(exact - static_cast<double>(quotas.back()));
    left -= quotas.back();
  }
  std::vector<size_t> order(quotas.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return remainders[a] > remainders[b]; });
  for (size_t i = 0; left > 0; i = (i + 1) % order.size()) {
    ++quotas[order[i]];
    --left;
  }
  return quotas;
}

Velocity DrawInSector(const MixPart& part, Draws& draws) {
  const double turn = part.heading.begin > part.heading.end ? 360 : 0;
  // A draw next to an edge may leave the range when it is rounded; the next one then stands in.
  for (;;) {
    const double degrees = draws.Uniform(part.heading.begin, part.heading.end + turn);
    const double speed = draws.Uniform(part.speed.begin, part.speed.end);
    const double radians = degrees * (std::numbers::pi / 180);
    const Velocity velocity = {Round9(speed * std::cos(radians)),
                               Round9(speed * std::sin(radians))};
    if (Within(part, velocity)) return velocity;
  }
}

// The deaths in the `clusters` most frequent bins.
std::vector<Velocity> MostFrequent(const std::vector<Velocity>& deaths, int64_t clusters) {
  std::vector<VelocityCluster> ranked = ClusterVelocities(deaths);
  if (static_cast<int64_t>(ranked.size()) > clusters) ranked.resize(static_cast<size_t>(clusters));
  std::set<ClusterBin> chosen;
  for (const VelocityCluster& cluster : ranked) {
    chosen.insert({std::llround(cluster.angle_deg_start / kClusterAngleDegrees),
                   std::llround(cluster.speed_bin_start / kClusterSpeed)});
  }
  std::vector<Velocity> frequent;
  for (const Velocity& death : deaths) {
    if (chosen.count(BinOf(death)) > 0) frequent.push_back(death);
  }
  return frequent;
}

// The recorded deaths that a part takes from.
std::vector<Velocity> Candidates(const MixRequest& request, const MixPart& part) {
  std::vector<Velocity> candidates;
  for (const Velocity& death : request.deaths) {
    bool wanted = Within(part, death);
    if (part.source == MixPart::Source::kOthers) {
      wanted = std::none_of(request.parts.begin(), request.parts.end(), [&](const MixPart& other) {
        return other.source == MixPart::Source::kDeaths && Within(other, death);
      });
    }
    if (wanted) candidates.push_back(death);
  }
  if (part.source != MixPart::Source::kOthers) return candidates;
  return MostFrequent(candidates, part.clusters);
}

absl::Status Fill(const MixRequest& request, const MixPart& part, int64_t quota, Draws& draws,
                  std::vector<Velocity>& velocities) {
  if (part.source == MixPart::Source::kSector) {
    for (int64_t i = 0; i < quota; ++i) velocities.push_back(DrawInSector(part, draws));
    return absl::OkStatus();
  }
  std::vector<Velocity> candidates = Candidates(request, part);
  if (candidates.empty()) {
    const std::string which = part.source == MixPart::Source::kOthers
                                  ? std::string("is outside the other parts")
                                  : absl::StrCat("has heading ", RangeText(part.heading),
                                                 " and speed ", RangeText(part.speed));
    return absl::FailedPreconditionError(
        absl::StrCat("none of the ", request.deaths.size(), " recorded step-one deaths ", which));
  }
  Shuffle(candidates, draws);
  for (int64_t i = 0; i < quota; ++i) {
    velocities.push_back(candidates[static_cast<size_t>(i) % candidates.size()]);
  }
  return absl::OkStatus();
}

std::string ToText(const MixRequest& request, const std::vector<int64_t>& quotas,
                   const std::vector<Velocity>& velocities) {
  nlohmann::ordered_json summary;
  summary["count"] = request.count;
  summary["seed"] = request.seed;
  summary["parts"] = nlohmann::ordered_json::array();
  for (size_t i = 0; i < request.parts.size(); ++i) {
    const MixPart& part = request.parts[i];
    nlohmann::ordered_json entry;
    entry["source"] = std::string(SourceName(part.source));
    if (part.source == MixPart::Source::kOthers) {
      entry["clusters"] = part.clusters;
    } else {
      entry["heading_deg"] = {part.heading.begin, part.heading.end};
      entry["speed"] = {part.speed.begin, part.speed.end};
    }
    entry["count"] = quotas[i];
    summary["parts"].push_back(std::move(entry));
  }
  std::string text = absl::StrCat("{\"summary\": ", summary.dump(), ",\n\"velocities\": [");
  for (size_t i = 0; i < velocities.size(); ++i) {
    const nlohmann::json pair = {velocities[i].x, velocities[i].y};
    absl::StrAppend(&text, i == 0 ? "\n" : ",\n", pair.dump());
  }
  absl::StrAppend(&text, "\n]}\n");
  return text;
}

}  // namespace

absl::StatusOr<MixRange> ParseMixRange(std::string_view what, std::string_view range_text) {
  const absl::string_view text(range_text.data(), range_text.size());
  const std::vector<absl::string_view> ends = absl::StrSplit(text, '-');
  MixRange range;
  if (ends.size() != 2 || !absl::SimpleAtod(ends[0], &range.begin) ||
      !absl::SimpleAtod(ends[1], &range.end) || !std::isfinite(range.begin) ||
      !std::isfinite(range.end)) {
    return absl::InvalidArgumentError(absl::StrCat(
        std::string(what), " \"", text, "\" is not two numbers from 0, as in \"180-270\""));
  }
  return range;
}

absl::StatusOr<MixPart> ParseMixPart(std::string_view part_text) {
  const absl::string_view text(part_text.data(), part_text.size());
  const std::vector<absl::string_view> fields = absl::StrSplit(text, ':');
  const absl::Status wrong = absl::InvalidArgumentError(
      absl::StrCat("part \"", text, "\": accepted are SHARE:sector:HEADING:SPEED, ",
                   "SHARE:deaths:HEADING:SPEED and SHARE:others[:CLUSTERS], SHARE as 0.4 or 40%"));
  if (fields.size() < 2) return wrong;
  MixPart part;
  absl::string_view share = absl::StripAsciiWhitespace(fields[0]);
  const bool percent = !share.empty() && share.back() == '%';
  if (percent) share.remove_suffix(1);
  if (!absl::SimpleAtod(share, &part.share)) return wrong;
  if (percent) part.share /= 100;
  if (fields[1] == "others") {
    part.source = MixPart::Source::kOthers;
    if (fields.size() > 3) return wrong;
    if (fields.size() == 3 && !absl::SimpleAtoi(fields[2], &part.clusters)) return wrong;
  } else if ((fields[1] == "sector" || fields[1] == "deaths") && fields.size() == 4) {
    part.source = fields[1] == "sector" ? MixPart::Source::kSector : MixPart::Source::kDeaths;
    absl::StatusOr<MixRange> heading = ParseMixRange("sector", std::string(fields[2]));
    if (!heading.ok()) return heading.status();
    part.heading = *heading;
    absl::StatusOr<MixRange> speed = ParseMixRange("speed", std::string(fields[3]));
    if (!speed.ok()) return speed.status();
    part.speed = *speed;
  } else {
    return wrong;
  }
  if (absl::Status status = CheckPart(part); !status.ok()) return status;
  return part;
}

absl::StatusOr<std::string> MakeMix(const MixRequest& request) {
  if (absl::Status status = CheckRequest(request); !status.ok()) return status;
  const std::vector<int64_t> quotas = Quotas(request);
  std::vector<Velocity> velocities;
  for (size_t i = 0; i < request.parts.size(); ++i) {
    Draws draws(request.seed, static_cast<uint32_t>(i));
    absl::Status status = Fill(request, request.parts[i], quotas[i], draws, velocities);
    if (!status.ok()) return status;
  }
  Draws draws(request.seed, kShuffleStream);
  Shuffle(velocities, draws);
  return ToText(request, quotas, velocities);
}

}  // namespace shoal
