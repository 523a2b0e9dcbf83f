// The stage files of the presets.
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "coordinator/tail/make_mix.h"

namespace shoal {

absl::StatusOr<std::vector<PresetStage>> PresetStages(std::string_view preset) {
  if (preset != "dev_v33") {
    return absl::NotFoundError(absl::StrCat("preset \"", std::string(preset),
                                            "\" has no tail stages; accepted is dev_v33"));
  }
  constexpr int64_t kCount = 2560;
  constexpr MixRange kSlow = {0.2, 1.35};
  constexpr MixRange kFast = {1.8, 2.6};
  constexpr auto kSector = MixPart::Source::kSector;
  const struct {
    absl::string_view file_name;
    std::vector<MixPart> parts;
  } stages[] = {
      {"stage1.json", {{.source = kSector, .heading = {90, 150}, .speed = kSlow}}},
      {"stage2.json", {{.source = kSector, .heading = {180, 330}, .speed = kSlow}}},
      {"stage3.json",
       {{.source = kSector, .heading = {180, 270}, .speed = kSlow, .share = 0.8},
        {.source = kSector, .heading = {90, 150}, .speed = kFast, .share = 0.2}}},
  };
  std::vector<PresetStage> files;
  for (const auto& stage : stages) {
    MixRequest request;
    request.count = kCount;
    request.seed = files.size() + 1;
    request.parts = stage.parts;
    absl::StatusOr<std::string> text = MakeMix(request);
    if (!text.ok()) return text.status();
    files.push_back({std::string(stage.file_name), *std::move(text)});
  }
  return files;
}

}  // namespace shoal
