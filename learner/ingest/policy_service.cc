#include "learner/ingest/policy_service.h"

#include <algorithm>
#include <string>

#include "common/rpc.h"

namespace shoal {
namespace {

// All of a message may be on its way at once; larger ones would fill a slow link for seconds.
constexpr size_t kPieceBytes = size_t{64} << 10;

// Names are compared with hashes and lead to no file by themselves, but whatever comes to look for them
// need not think of other text.
bool IsSha256(const std::string& name) {
  return name.size() == 64 && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

PolicyServiceImpl::PolicyServiceImpl(PolicyStore* store, const PolicyServiceOptions& options)
    : store_(store),
      refusals_(options.log),
      watchdog_(options.calls, [this] { refusals_.Flush(absl::Now()); }) {}

grpc::Status PolicyServiceImpl::GetPolicy(grpc::ServerContext* context,
                                          const v1::GetPolicyRequest* request,
                                          grpc::ServerWriter<v1::GetPolicyResponse>* writer) {
  const std::string peer = context->peer();  // The context forgets it when the call is cancelled.
  CallWatchdog::Watch watch(&watchdog_, context);
  if (!watch.accepted()) {
    const char* const says = "too many calls fetch policies at once; try again";
    refusals_.Refused("GetPolicy", peer, "too_many", says);
    return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, says);
  }
  if (!IsSha256(request->policy_sha256())) {
    const char* const says = "policy_sha256 must be the 64 lowercase hexadecimal digits of a SHA-256";
    refusals_.Refused("GetPolicy", peer, "bad_name", says);
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, says);
  }
  const absl::StatusOr<PolicyStore::Bytes> bytes = store_->Find(request->policy_sha256());
  if (!bytes.ok()) return ToGrpc(bytes.status());
  const std::string& data = **bytes;
  v1::GetPolicyResponse response;
  for (size_t begin = 0; begin < data.size(); begin += kPieceBytes) {
    response.set_data(data.substr(begin, kPieceBytes));
    if (!writer->Write(response)) {
      if (const char* expired = watch.expired()) {
        refusals_.Refused("GetPolicy", peer, expired, "the client does not read");
      }
      return grpc::Status::CANCELLED;
    }
    watch.Touch();
  }
  return grpc::Status::OK;
}

}  // namespace shoal
