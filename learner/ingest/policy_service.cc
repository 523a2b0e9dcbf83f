#include "learner/ingest/policy_service.h"

#include "common/rpc.h"

namespace shoal {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;

}  // namespace

grpc::Status PolicyServiceImpl::GetPolicy(grpc::ServerContext*, const v1::GetPolicyRequest* request,
                                          grpc::ServerWriter<v1::GetPolicyResponse>* writer) {
  const absl::StatusOr<PolicyStore::Bytes> bytes = store_->Find(request->policy_sha256());
  if (!bytes.ok()) return ToGrpc(bytes.status());
  const std::string& data = **bytes;
  v1::GetPolicyResponse response;
  for (size_t begin = 0; begin < data.size(); begin += kPieceBytes) {
    response.set_data(data.substr(begin, kPieceBytes));
    if (!writer->Write(response)) return grpc::Status::CANCELLED;
  }
  return grpc::Status::OK;
}

}  // namespace shoal
