#include "coordinator/cli/cluster_client.h"

#include <stdlib.h>

#include <filesystem>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/files.h"
#include "common/options.h"
#include "common/rpc.h"
#include "coordinator/queue/submission.h"
#include "coordinator/tail/stages.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kRetry = absl::Milliseconds(200);
constexpr int kPage = 500;

// Removed at its end.
class TemporaryFolder {
 public:
  static absl::StatusOr<std::unique_ptr<TemporaryFolder>> Make() {
    const char* tmp = getenv("TMPDIR");
    std::string path =
        absl::StrCat(tmp != nullptr && *tmp != '\0' ? tmp : "/tmp", "/shoal-submit-XXXXXX");
    if (mkdtemp(path.data()) == nullptr) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot make a temporary folder, ", path));
    }
    return std::unique_ptr<TemporaryFolder>(new TemporaryFolder(path));
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  const std::string path_;
};

std::string NewToken() {
  std::random_device device;
  std::string token;
  for (int i = 0; i < 4; ++i) absl::StrAppendFormat(&token, "%08x", device());
  return token;
}

absl::Status AddTailFiles(const std::string& folder, v1::SubmitRunRequest& submission) {
  auto specs = TailStageSpecs(submission.options());
  if (!specs.ok()) return specs.status();
  std::set<std::string> added;
  size_t bytes = 0;
  for (const TailStageSpec& spec : *specs) {
    if (!added.insert(spec.path).second) continue;
    auto content = ReadFile(absl::StrCat(folder, "/", spec.path), kMostTailBytes);
    if (content.ok()) bytes += content->size();
    if (absl::IsResourceExhausted(content.status()) || bytes > kMostTailBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("the tail files have more than ", kMostTailBytes >> 20,
                       " MiB together, which is the most that is sent to a coordinator; ", spec.path,
                       " goes beyond it"));
    }
    if (!content.ok()) return content.status();
    v1::TailFile* file = submission.add_tail_files();
    file->set_path(spec.path);
    file->set_content(*std::move(content));
  }
  return absl::OkStatus();
}

}  // namespace

const char* QueuedRunStateName(v1::QueuedRun::State state) {
  switch (state) {
    case v1::QueuedRun::STATE_QUEUED:
      return "queued";
    case v1::QueuedRun::STATE_RUNNING:
      return "running";
    case v1::QueuedRun::STATE_FINISHED:
      return "finished";
    case v1::QueuedRun::STATE_FAILED:
      return "failed";
    case v1::QueuedRun::STATE_STOPPED:
      return "stopped";
    default:
      return "unknown";
  }
}

absl::StatusOr<v1::SubmitRunRequest> MakeSubmission(RunRequest request) {
  auto temporary = TemporaryFolder::Make();
  if (!temporary.ok()) return temporary.status();
  request.out = (*temporary)->path();
  auto folder = PrepareRun(request);
  if (!folder.ok()) return folder.status();
  auto options = ReadOptionsFile(absl::StrCat(*folder, "/config.textproto"));
  if (!options.ok()) return options.status();
  v1::SubmitRunRequest submission;
  *submission.mutable_options() = *std::move(options);
  submission.set_token(NewToken());
  if (absl::Status status = AddTailFiles(*folder, submission); !status.ok()) return status;
  return submission;
}

ClusterClient::ClusterClient(const std::string& address, absl::Duration timeout,
                             std::unique_ptr<v1::QueueService::Stub> stub)
    : address_(address), timeout_(timeout), stub_(std::move(stub)) {}

absl::StatusOr<std::unique_ptr<ClusterClient>> ClusterClient::Connect(const std::string& address,
                                                                      absl::Duration timeout) {
  auto channel = ConnectChannel(address);
  if (!channel.ok()) return channel.status();
  return std::unique_ptr<ClusterClient>(
      new ClusterClient(address, timeout, v1::QueueService::NewStub(*channel)));
}

absl::Status ClusterClient::Explain(const absl::Status& status) const {
  if (absl::IsUnimplemented(status)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the coordinator at ", address_,
                     " serves a single run; one that takes runs is started with --runs DIR"));
  }
  if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
  return absl::UnavailableError(
      absl::StrCat("the coordinator at ", address_, " does not answer (", status.message(), ")"));
}

absl::StatusOr<v1::QueuedRun> ClusterClient::Submit(const v1::SubmitRunRequest& request) {
  const absl::Time deadline = absl::Now() + timeout_;
  while (true) {
    const auto context = MakeContext(deadline);
    v1::SubmitRunResponse response;
    const absl::Status status = FromGrpc(stub_->SubmitRun(context.get(), request, &response));
    if (status.ok()) return response.run();
    // The token makes the second of two submissions the first.
    if (!absl::IsUnavailable(status) || absl::Now() + kRetry >= deadline) return Explain(status);
    absl::SleepFor(kRetry);
  }
}

absl::StatusOr<v1::QueuedRun> ClusterClient::Resume(const std::string& name) {
  const auto context = MakeContext(timeout_);
  v1::ResumeRunRequest request;
  request.set_name(name);
  v1::ResumeRunResponse response;
  const absl::Status status = FromGrpc(stub_->ResumeRun(context.get(), request, &response));
  if (!status.ok()) return Explain(status);
  return response.run();
}

absl::StatusOr<v1::QueuedRun> ClusterClient::Cancel(const std::string& name) {
  const auto context = MakeContext(timeout_);
  v1::CancelRunRequest request;
  request.set_name(name);
  v1::CancelRunResponse response;
  const absl::Status status = FromGrpc(stub_->CancelRun(context.get(), request, &response));
  if (!status.ok()) return Explain(status);
  return response.run();
}

absl::StatusOr<v1::QueuedRun> ClusterClient::Get(const std::string& name) {
  const auto context = MakeContext(timeout_);
  v1::GetRunRequest request;
  request.set_name(name);
  v1::GetRunResponse response;
  const absl::Status status = FromGrpc(stub_->GetRun(context.get(), request, &response));
  if (!status.ok()) return Explain(status);
  return response.run();
}

absl::StatusOr<std::vector<v1::QueuedRun>> ClusterClient::List() {
  std::vector<v1::QueuedRun> runs;
  v1::ListRunsRequest request;
  request.set_page_size(kPage);
  do {
    const auto context = MakeContext(timeout_);
    v1::ListRunsResponse response;
    const absl::Status status = FromGrpc(stub_->ListRuns(context.get(), request, &response));
    if (!status.ok()) return Explain(status);
    for (v1::QueuedRun& run : *response.mutable_runs()) runs.push_back(std::move(run));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return runs;
}

}  // namespace shoal
