// Runs that somebody sends to a standing coordinator. Input: a SubmitRunRequest.
#include <set>
#include <string>

#include "common/options.h"
#include "common/printable.h"
#include "common/run_name.h"
#include "coordinator/queue/submission.h"
#include "tests/fuzz/check_options.h"
#include "tests/fuzz/fuzzing.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

// Nothing of it leads out of the run's folder.
void CheckNames(const v1::SubmitRunRequest& request, const v1::RunOptions& options) {
  RequireOk(CheckRunName(options.run_name()), "the name of a run that is taken");
  Require(request.tail_files_size() <= kMostTailFiles, "tail files are not too many");
  std::set<std::string> paths;
  for (const v1::TailFile& file : request.tail_files()) {
    const std::string& path = file.path();
    Require(path.compare(0, 5, "tail/") == 0 && path.find('/', 5) == path.npos && path.size() > 5 &&
                path[5] != '.' && IsPrintable(path),
            "a tail file lies in tail/");
    Require(paths.insert(path).second, "no tail file is there twice");
  }
}

void TestOneInput(std::string_view bytes) {
  v1::SubmitRunRequest request;
  if (!fuzzing::ParseMessage(bytes, &request)) return;
  const auto options = CheckSubmission(request);
  RequireWords(options.status());
  if (!options.ok()) return;
  CheckNames(request, *options);
  fuzzing::CheckOptions(*options);
  // As the run will have them: sent again, they are the same.
  *request.mutable_options() = *options;
  const auto again = CheckSubmission(request);
  RequireOk(again.status(), "options that were taken are taken again");
  Require(WriteOptions(*again, "") == WriteOptions(*options, ""), "and stay as they are");
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
