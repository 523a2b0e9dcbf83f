// manifest.json of a checkpoint. Input: the file's text.
#include "learner/checkpoint/manifest.h"
#include "tests/fuzz/fuzzing.h"

namespace shoal {
namespace {

using fuzzing::Require;

void TestOneInput(std::string_view text) {
  const absl::StatusOr<Manifest> manifest = ParseManifest(std::string(text));
  fuzzing::RequireWords(manifest.status());
  if (!manifest.ok()) return;
  Require(manifest->iteration >= 0, "iterations count from 0");
  for (const auto& [name, record] : manifest->files) {
    Require(record.sha256.size() == 64 &&
                record.sha256.find_first_not_of("0123456789abcdef") == std::string::npos,
            "a SHA-256 has 64 lowercase hex digits");
  }
  const std::string written = SerializeManifest(*manifest);
  const absl::StatusOr<Manifest> again = ParseManifest(written);
  fuzzing::RequireOk(again.status(), "a manifest that was written can be read");
  Require(again->iteration == manifest->iteration &&
              again->files.size() == manifest->files.size() && SerializeManifest(*again) == written,
          "a manifest written and read is the same");
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
