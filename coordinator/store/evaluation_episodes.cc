#include "coordinator/store/evaluation_episodes.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal {

absl::StatusOr<v1::EvaluationEpisode> ParseScene(const RunStore& store, int64_t evaluation,
                                                 const EvaluationScene& scene) {
  v1::EvaluationEpisode episode;
  if (episode.ParseFromString(scene.record)) return episode;
  return absl::DataLossError(absl::StrCat(store.path(), ": evaluation ", evaluation, ", scene ",
                                          scene.scene, ": the record is not an EvaluationEpisode"));
}

absl::StatusOr<std::vector<v1::EvaluationEpisode>> LoadEpisodes(const RunStore& store,
                                                                int64_t evaluation) {
  auto scenes = store.LoadEvaluationScenes(evaluation);
  if (!scenes.ok()) return scenes.status();
  std::vector<v1::EvaluationEpisode> episodes;
  episodes.reserve(scenes->size());
  for (const EvaluationScene& scene : *scenes) {
    auto episode = ParseScene(store, evaluation, scene);
    if (!episode.ok()) return episode.status();
    episodes.push_back(*std::move(episode));
  }
  return episodes;
}

}  // namespace shoal
