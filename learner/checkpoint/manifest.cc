#include "learner/checkpoint/manifest.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

constexpr int64_t kFormatVersion = 1;
constexpr size_t kSha256Digits = 64;

bool IsSha256(const std::string& text) {
  return text.size() == kSha256Digits &&
         text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool IsCount(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned();
}

}  // namespace

std::string SerializeManifest(const Manifest& manifest) {
  nlohmann::json files = nlohmann::json::object();
  for (const auto& [name, record] : manifest.files) {
    files[name] = {{"size", record.size}, {"sha256", record.sha256}};
  }
  const nlohmann::json json = {{"format_version", kFormatVersion},
                               {"iteration", manifest.iteration},
                               {"files", std::move(files)}};
  return json.dump(2) + "\n";
}

absl::StatusOr<Manifest> ParseManifest(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("it is not a JSON object");
  if (!IsCount(json, "format_version") || json["format_version"] != kFormatVersion) {
    return absl::InvalidArgumentError(absl::StrCat("format_version must be ", kFormatVersion));
  }
  if (!IsCount(json, "iteration") ||
      json["iteration"].get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    return absl::InvalidArgumentError("iteration must be an integer of 0 or more");
  }
  const auto files = json.find("files");
  if (files == json.end() || !files->is_object()) {
    return absl::InvalidArgumentError("files must be an object");
  }
  Manifest manifest;
  manifest.iteration = json["iteration"].get<int64_t>();
  for (const auto& [name, record] : files->items()) {
    const bool whole = record.is_object() && IsCount(record, "size") && record.contains("sha256") &&
                       record["sha256"].is_string();
    if (!whole || !IsSha256(record["sha256"].get<std::string>())) {
      return absl::InvalidArgumentError(absl::StrCat(
          "files[\"", name, "\"] must have size and sha256 (64 lowercase hex digits)"));
    }
    manifest.files[name] = {record["size"].get<uint64_t>(), record["sha256"].get<std::string>()};
  }
  return manifest;
}

}  // namespace shoal
