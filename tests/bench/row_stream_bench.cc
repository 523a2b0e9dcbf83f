// Bytes a second through the row stream: from an actor's sender, over gRPC, through the learner's
// checks, into its store.
//
//   BM_PushOverUnixSocket, BM_PushOverLoopback   all of it
//   BM_RawOverLoopback   the same calls, chunks and checks, with the columns one behind the other in
//                        a message instead of protobuf's encoding of them
//   BM_ProtobufAlone     chunks into messages' bytes and back, without a connection
//   BM_ChunksAlone       chunks filled, checked and stored, without messages
//
// Counters: CPU of both ends for a megabyte of rows, and bytes that TCP has carried for a row, both ways.
#include <benchmark/benchmark.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/cancellation.h"
#include "common/duplex_stream.h"
#include "actor/row_sender.h"
#include "common/rpc.h"
#include "learner/ingest/row_service.h"
#include "learner/ingest/row_store.h"
#include "tests/bench/wire_bytes.h"

namespace shoal {
namespace {

constexpr int kObsDim = 11;
constexpr int kEnvironments = 8;
constexpr int kSteps = 128;
constexpr int kFish = 22;
// Keys, observations, action, log-probability, advantage and return of a row.
constexpr int64_t kRowBytes = 8 + kObsDim * 4 + 1 + 3 * 4;

Rows MakeRows(int fish) {
  Rows rows;
  rows.obs_dim = kObsDim;
  for (int e = 0; e < kEnvironments; ++e) {
    for (int f = 0; f < fish; ++f) {
      for (int t = 0; t < kSteps; ++t) rows.keys.push_back(RowKey(e, f, t));
    }
  }
  const size_t n = rows.keys.size();
  rows.observations.resize(n * kObsDim);
  for (size_t i = 0; i < rows.observations.size(); ++i) rows.observations[i] = 0.001f * (i % 997);
  rows.actions.assign(n, 3);
  rows.log_probs.assign(n, -1.5f);
  rows.advantages.assign(n, 0.25f);
  rows.returns.assign(n, 0.5f);
  return rows;
}

RowShape Shape() {
  RowShape shape;
  shape.run_id = "bench";
  shape.obs_dim = kObsDim;
  shape.num_envs = kEnvironments;
  shape.envs_per_shard = kEnvironments;
  shape.n_steps = kSteps;
  shape.rows_per_step = kFish;
  return shape;
}

v1::RowsHeader Header(const Rows& rows) {
  v1::RolloutRecord record;
  record.set_iteration(1);
  record.set_rows(static_cast<int64_t>(rows.keys.size()));
  record.set_rows_checksum(RowsChecksum(rows));
  return MakeRowsHeader("bench", record, rows.obs_dim);
}

// From its making to Report: CPU of this process, in which both ends are, and bytes on the wire.
class Costs {
 public:
  // address: of the server; empty, or a Unix socket: no bytes are counted.
  explicit Costs(const std::string& address) : cpu_(Cpu()) {
    const size_t colon = address.rfind(':');
    if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port_)) port_ = 0;
    if (port_ != 0) wire_ = TcpBytesSent(port_);
  }
  void Report(benchmark::State& state, int64_t rows) const {
    state.SetBytesProcessed(rows * kRowBytes);
    state.SetItemsProcessed(rows);
    const double total = static_cast<double>(std::max<int64_t>(1, rows));
    state.counters["cpu_seconds_per_megabyte"] = (Cpu() - cpu_) / (total * kRowBytes / 1e6);
    if (port_ != 0) {
      state.counters["wire_bytes_per_row"] = static_cast<double>(TcpBytesSent(port_) - wire_) / total;
    }
  }

 private:
  static double Cpu() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }
  int port_ = 0;
  double cpu_;
  int64_t wire_ = 0;
};

void Push(benchmark::State& state, const std::string& listen) {
  const Rows rows = MakeRows(static_cast<int>(state.range(0)));
  const v1::RowsHeader header = Header(rows);
  RowStore store;
  RowServiceImpl service(&store);
  ServerOptions options;
  options.listen = listen;
  auto server = StartServer(options, {&service});
  if (!server.ok()) {
    state.SkipWithError(std::string(server.status().message()).c_str());
    return;
  }
  auto channel = ConnectChannel((*server)->address());
  auto stub = v1::RowService::NewStub(*channel);
  const Cancellation cancellation;
  const Costs costs((*server)->address());
  for (auto _ : state) {
    store.Open(Shape(), "session", 0);
    auto pushed = PushRows(*stub, header, rows, cancellation);
    if (!pushed.ok()) state.SkipWithError(std::string(pushed.status().message()).c_str());
  }
  costs.Report(state, state.iterations() * rows.size());
}

void BM_PushOverUnixSocket(benchmark::State& state) {
  Push(state, absl::StrCat("unix:/tmp/shoal-row-bench-", getpid(), ".sock"));
}
BENCHMARK(BM_PushOverUnixSocket)->Arg(1)->Arg(kFish)->UseRealTime();

void BM_PushOverLoopback(benchmark::State& state) { Push(state, "127.0.0.1:0"); }
BENCHMARK(BM_PushOverLoopback)->Arg(1)->Arg(kFish)->UseRealTime();

// --- Without protobuf ---

constexpr char kRawMethod[] = "/shoal.bench.RawRows/Push";
constexpr size_t kRawHeader = 24;  // rows, first row, checksum

grpc::ByteBuffer ToRaw(const v1::RowChunk& chunk) {
  const std::string* columns[] = {&chunk.keys(),      &chunk.observations(), &chunk.actions(),
                                  &chunk.log_probs(), &chunk.advantages(),   &chunk.returns()};
  size_t size = kRawHeader;
  for (const std::string* column : columns) size += column->size();
  grpc_slice slice = grpc_slice_malloc(size);
  uint8_t* out = GRPC_SLICE_START_PTR(slice);
  const uint64_t header[] = {chunk.actions().size(), static_cast<uint64_t>(chunk.first_row()),
                             chunk.checksum()};
  std::memcpy(out, header, sizeof(header));
  out += sizeof(header);
  for (const std::string* column : columns) {
    std::memcpy(out, column->data(), column->size());
    out += column->size();
  }
  const grpc::Slice owner(slice, grpc::Slice::STEAL_REF);
  return grpc::ByteBuffer(&owner, 1);
}

bool FromRaw(const grpc::ByteBuffer& buffer, v1::RowChunk* chunk) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok() || buffer.Length() < kRawHeader) return false;
  // A message of this size comes in several pieces, which are joined as protobuf's parser joins them:
  // while the columns are filled.
  size_t at = 0, piece = 0;
  const auto take = [&](size_t size, void* out) {
    char* to = static_cast<char*>(out);
    while (size > 0 && piece < slices.size()) {
      const size_t count = std::min(size, slices[piece].size() - at);
      std::copy_n(reinterpret_cast<const char*>(slices[piece].begin()) + at, count, to);
      to += count;
      size -= count;
      at += count;
      if (at == slices[piece].size()) {
        ++piece;
        at = 0;
      }
    }
  };
  uint64_t header[3] = {};
  take(sizeof(header), header);
  const size_t n = header[0];
  if (buffer.Length() != kRawHeader + n * kRowBytes) return false;
  chunk->set_first_row(static_cast<int64_t>(header[1]));
  chunk->set_checksum(header[2]);
  const std::pair<std::string*, size_t> columns[] = {
      {chunk->mutable_keys(), 8},      {chunk->mutable_observations(), kObsDim * 4},
      {chunk->mutable_actions(), 1},   {chunk->mutable_log_probs(), 4},
      {chunk->mutable_advantages(), 4}, {chunk->mutable_returns(), 4}};
  for (const auto& [column, width] : columns) {
    column->resize(n * width);
    take(n * width, column->data());
  }
  return true;
}

grpc::ByteBuffer Number(uint64_t number) {
  const grpc::Slice slice(&number, sizeof(number));
  return grpc::ByteBuffer(&slice, 1);
}

// As RowServiceImpl: the same kind of handler, an acknowledgement for every message.
class RawRowService final : public grpc::Service {
 public:
  using Stream = grpc::ServerReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

  RawRowService() {
    AddMethod(new grpc::internal::RpcServiceMethod(
        kRawMethod, grpc::internal::RpcMethod::BIDI_STREAMING,
        new grpc::internal::BidiStreamingHandler<RawRowService, grpc::ByteBuffer, grpc::ByteBuffer>(
            [](RawRowService*, grpc::ServerContext*, Stream* stream) { return Receive(stream); },
            this)));
  }

 private:
  static grpc::Status Receive(Stream* stream) {
    Rows rows;
    rows.obs_dim = kObsDim;
    grpc::ByteBuffer message;
    while (stream->Read(&message)) {
      v1::RowChunk chunk;
      if (!FromRaw(message, &chunk) || !AppendChunk(chunk, &rows).ok()) {
        return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "a chunk was refused");
      }
      stream->Write(Number(static_cast<uint64_t>(rows.size())));
    }
    benchmark::DoNotOptimize(RowsChecksum(rows));
    return grpc::Status::OK;
  }
};

bool PushRaw(grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer>& stub, const Rows& rows) {
  using RawStream = DuplexStream<grpc::ByteBuffer, grpc::ByteBuffer>;
  RawStream stream([&](grpc::ClientContext* context, RawStream::Reactor* reactor) {
    stub.PrepareBidiStreamingCall(context, kRawMethod, grpc::StubOptions(), reactor);
  });
  const int64_t step = RowsPerChunk(kObsDim);
  const int window = PushLimits().window;
  int on_their_way = 0;
  for (int64_t sent = 0; sent < rows.size() || on_their_way > 0;) {
    for (; sent < rows.size() && on_their_way < window; ++on_their_way, sent += step) {
      v1::RowChunk chunk;
      FillChunk(rows, sent, std::min(step, rows.size() - sent), &chunk);
      if (!stream.Send(ToRaw(chunk))) return false;
    }
    grpc::ByteBuffer answer;
    if (stream.Receive(absl::Seconds(30), &answer) != StreamEvent::kMessage) return false;
    --on_their_way;
  }
  return true;
}

void BM_RawOverLoopback(benchmark::State& state) {
  const Rows rows = MakeRows(static_cast<int>(state.range(0)));
  RawRowService service;
  auto server = StartServer(ServerOptions(), {&service});
  if (!server.ok()) {
    state.SkipWithError(std::string(server.status().message()).c_str());
    return;
  }
  auto channel = ConnectChannel((*server)->address());
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(*channel);
  const Costs costs((*server)->address());
  for (auto _ : state) {
    if (!PushRaw(stub, rows)) state.SkipWithError("raw rows were not taken");
  }
  costs.Report(state, state.iterations() * rows.size());
}
BENCHMARK(BM_RawOverLoopback)->Arg(1)->Arg(kFish)->UseRealTime();

// --- Without a connection ---

void BM_ProtobufAlone(benchmark::State& state) {
  const Rows rows = MakeRows(static_cast<int>(state.range(0)));
  const int64_t step = RowsPerChunk(kObsDim);
  std::vector<v1::PushRowsRequest> requests;
  for (int64_t first = 0; first < rows.size(); first += step) {
    FillChunk(rows, first, std::min(step, rows.size() - first),
              requests.emplace_back().mutable_chunk());
  }
  using Traits = grpc::SerializationTraits<v1::PushRowsRequest>;
  const Costs costs("");
  for (auto _ : state) {
    for (const v1::PushRowsRequest& request : requests) {
      grpc::ByteBuffer bytes;
      bool own;
      v1::PushRowsRequest back;
      if (!Traits::Serialize(request, &bytes, &own).ok() || !Traits::Deserialize(&bytes, &back).ok()) {
        state.SkipWithError("a message cannot be read");
      }
      benchmark::DoNotOptimize(back);
    }
  }
  costs.Report(state, state.iterations() * rows.size());
}
BENCHMARK(BM_ProtobufAlone)->Arg(1)->Arg(kFish);

// Chunks filled, checked and stored.
void BM_ChunksAlone(benchmark::State& state) {
  const Rows rows = MakeRows(static_cast<int>(state.range(0)));
  const int64_t total = static_cast<int64_t>(rows.keys.size());
  const int64_t step = RowsPerChunk(kObsDim);
  const Costs costs("");
  for (auto _ : state) {
    Rows received;
    received.obs_dim = kObsDim;
    for (int64_t first = 0; first < total; first += step) {
      v1::RowChunk chunk;
      FillChunk(rows, first, std::min(step, total - first), &chunk);
      if (!AppendChunk(chunk, &received).ok()) state.SkipWithError("a chunk was refused");
    }
    benchmark::DoNotOptimize(RowsChecksum(received));
  }
  costs.Report(state, state.iterations() * total);
}
BENCHMARK(BM_ChunksAlone)->Arg(1)->Arg(kFish);

}  // namespace
}  // namespace shoal
