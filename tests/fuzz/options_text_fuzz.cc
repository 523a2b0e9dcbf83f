// config.textproto and --config FILE. Input: the file's text.
#include "common/options.h"
#include "tests/fuzz/check_options.h"
#include "tests/fuzz/fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(shoal::fuzzing::Input(data, size));
  const auto options = shoal::ParseOptions(text, "fuzz.textproto");
  shoal::fuzzing::RequireWords(options.status());
  if (options.ok()) shoal::fuzzing::CheckOptions(*options);
  return 0;
}
