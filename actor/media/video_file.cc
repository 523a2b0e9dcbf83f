#include "actor/media/video_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <utility>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
}

#include "absl/strings/str_cat.h"
#include "actor/media/yuv.h"
#include "common/files.h"

namespace shoal {
namespace {

struct Deleter {
  void operator()(AVFormatContext* p) const {
    if (p->pb != nullptr) avio_closep(&p->pb);
    avformat_free_context(p);
  }
  void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
  void operator()(AVFrame* p) const { av_frame_free(&p); }
  void operator()(AVPacket* p) const { av_packet_free(&p); }
};

template <typename T>
using Owned = std::unique_ptr<T, Deleter>;

std::string TemporaryName(const std::string& path) {
  static std::atomic<uint64_t> counter{0};
  const std::filesystem::path whole(path);
  return (whole.parent_path() / absl::StrCat(".", whole.filename().string(), ".tmp.", getpid(), ".",
                                             counter.fetch_add(1, std::memory_order_relaxed)))
      .string();
}

class Mp4File : public VideoFile {
 public:
  Mp4File(std::string path, const VideoFileOptions& options)
      : path_(std::move(path)),
        temporary_(TemporaryName(path_)),
        options_(options),
        converter_(options.width, options.height) {}

  ~Mp4File() override {
    format_.reset();
    if (made_ && !renamed_) unlink(temporary_.c_str());
  }

  absl::Status Open();
  absl::Status Add(const uint8_t* pixels, int stride) override;
  absl::Status Finish() override;

 private:
  // libav says errno's errors as their negatives, and has codes of its own.
  absl::Status Error(const char* action, int code) const {
    const std::string what = absl::StrCat("cannot ", action, " ", path_);
    char text[AV_ERROR_MAX_STRING_SIZE] = {};
    if (code < 0 && code > -4096) return absl::ErrnoToStatus(-code, what);
    return absl::InternalError(absl::StrCat(what, ": ", av_make_error_string(text, sizeof text, code)));
  }
  absl::Status OpenEncoder();
  absl::Status OpenFrame();
  // Hands a frame to the encoder (null: that was the last one) and writes what comes out.
  absl::Status Encode(const AVFrame* frame);

  const std::string path_;
  const std::string temporary_;
  const VideoFileOptions options_;
  bool made_ = false;
  bool renamed_ = false;
  int64_t frames_ = 0;
  Owned<AVFormatContext> format_;
  Owned<AVCodecContext> encoder_;
  Owned<AVFrame> frame_;
  Owned<AVPacket> packet_;
  YuvConverter converter_;
  AVStream* stream_ = nullptr;  // of format_
};

absl::Status Mp4File::Open() {
  AVFormatContext* format = nullptr;
  int code = avformat_alloc_output_context2(&format, nullptr, "mp4", nullptr);
  if (code < 0) return Error("write", code);
  format_.reset(format);
  if (absl::Status status = OpenEncoder(); !status.ok()) return status;
  if (absl::Status status = OpenFrame(); !status.ok()) return status;

  // The prefix, since a path with a colon would be taken for another protocol's. The muxer opens the
  // file a second time by its url to move the index to the front.
  const std::string url = absl::StrCat("file:", temporary_);
  format_->url = av_strdup(url.c_str());
  code = avio_open(&format_->pb, url.c_str(), AVIO_FLAG_WRITE);
  if (code < 0) return Error("create", code);
  made_ = true;
  AVDictionary* muxer = nullptr;
  av_dict_set(&muxer, "movflags", "+faststart", 0);
  code = avformat_write_header(format_.get(), &muxer);
  av_dict_free(&muxer);
  return code < 0 ? Error("write", code) : absl::OkStatus();
}

absl::Status Mp4File::OpenEncoder() {
  const AVCodec* codec = avcodec_find_encoder_by_name("libx264");
  if (codec == nullptr) {
    return absl::UnimplementedError("videos need a libavcodec with libx264, which this one has not");
  }
  encoder_.reset(avcodec_alloc_context3(codec));
  stream_ = avformat_new_stream(format_.get(), codec);
  packet_.reset(av_packet_alloc());
  if (!encoder_ || stream_ == nullptr || !packet_) return Error("write", AVERROR(ENOMEM));
  encoder_->width = options_.width;
  encoder_->height = options_.height;
  encoder_->pix_fmt = AV_PIX_FMT_YUV420P;
  encoder_->time_base = {1, options_.fps};
  encoder_->framerate = {options_.fps, 1};
  // A jump in the player lands within two seconds.
  encoder_->gop_size = 2 * options_.fps;
  encoder_->color_range = AVCOL_RANGE_MPEG;
  encoder_->colorspace = AVCOL_SPC_BT709;
  encoder_->color_primaries = AVCOL_PRI_BT709;
  encoder_->color_trc = AVCOL_TRC_BT709;
  // A fixed number, since the bytes depend on it.
  encoder_->thread_count = 2;
  if ((format_->oformat->flags & AVFMT_GLOBALHEADER) != 0) {
    encoder_->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  }
  AVDictionary* settings = nullptr;
  // Slower presets make files a third of the size and take twice the time. A fixed quantiser needs none
  // of the estimates that crf makes of every frame: at 20 a school is 51 dB from the drawing, and a
  // quarter of the encoder's time is saved.
  av_dict_set(&settings, "preset", "ultrafast", 0);
  av_dict_set(&settings, "qp", "20", 0);
  const int code = avcodec_open2(encoder_.get(), codec, &settings);
  av_dict_free(&settings);
  if (code < 0) return Error("encode", code);
  stream_->time_base = encoder_->time_base;
  stream_->avg_frame_rate = encoder_->framerate;
  const int copied = avcodec_parameters_from_context(stream_->codecpar, encoder_.get());
  return copied < 0 ? Error("encode", copied) : absl::OkStatus();
}

absl::Status Mp4File::OpenFrame() {
  frame_.reset(av_frame_alloc());
  if (!frame_) return Error("encode", AVERROR(ENOMEM));
  frame_->format = encoder_->pix_fmt;
  frame_->width = options_.width;
  frame_->height = options_.height;
  frame_->color_range = encoder_->color_range;
  frame_->colorspace = encoder_->colorspace;
  const int code = av_frame_get_buffer(frame_.get(), 0);
  return code < 0 ? Error("encode", code) : absl::OkStatus();
}

absl::Status Mp4File::Add(const uint8_t* pixels, int stride) {
  // The encoder may still hold the last frame's buffer; a new one has what was in it.
  if (const int code = av_frame_make_writable(frame_.get()); code < 0) return Error("encode", code);
  const auto& data = frame_->data;
  const auto& strides = frame_->linesize;
  converter_.Convert(pixels, stride, {{data[0], data[1], data[2]}, {strides[0], strides[1], strides[2]}});
  frame_->pts = frames_++;
  return Encode(frame_.get());
}

absl::Status Mp4File::Encode(const AVFrame* frame) {
  int code = avcodec_send_frame(encoder_.get(), frame);
  if (code < 0) return Error("encode", code);
  while (true) {
    code = avcodec_receive_packet(encoder_.get(), packet_.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return absl::OkStatus();
    if (code < 0) return Error("encode", code);
    packet_->duration = 1;
    av_packet_rescale_ts(packet_.get(), encoder_->time_base, stream_->time_base);
    packet_->stream_index = stream_->index;
    code = av_interleaved_write_frame(format_.get(), packet_.get());
    if (code < 0) return Error("write", code);
    if (format_->pb->error < 0) return Error("write", format_->pb->error);
  }
}

absl::Status Mp4File::Finish() {
  if (frames_ == 0) {
    return absl::FailedPreconditionError(absl::StrCat("no frame for ", path_));
  }
  if (absl::Status status = Encode(nullptr); !status.ok()) return status;
  int code = av_write_trailer(format_.get());
  if (code < 0) return Error("write", code);
  if (format_->pb->error < 0) return Error("write", format_->pb->error);
  code = avio_closep(&format_->pb);
  if (code < 0) return Error("write", code);
  const int fd = open(temporary_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error("sync", -errno);
  const int synced = fsync(fd) == 0 ? 0 : -errno;
  close(fd);
  if (synced < 0) return Error("sync", synced);
  absl::Status status = RenameDurably(temporary_, path_);
  // After an error of the folder's sync the new name is there already.
  renamed_ = status.ok() || access(temporary_.c_str(), F_OK) != 0;
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VideoFile>> VideoFile::Create(const std::string& path,
                                                             const VideoFileOptions& options) {
  const auto even = [](int size) { return size >= 2 && size <= 4096 && size % 2 == 0; };
  if (!even(options.width) || !even(options.height)) {
    return absl::InvalidArgumentError(absl::StrCat("a video of ", options.width, " x ", options.height,
                                                   " pixels; even numbers from 2 to 4096 are right"));
  }
  if (options.fps < 1 || options.fps > 240) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.fps, " frames a second; 1 to 240 are right"));
  }
  if (std::filesystem::path(path).filename().empty()) {
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' is no name of a file"));
  }
  // Its errors come back as codes; what it and the encoder say besides would stand among ours.
  av_log_set_level(AV_LOG_QUIET);
  auto file = std::make_unique<Mp4File>(path, options);
  if (absl::Status status = file->Open(); !status.ok()) return status;
  return file;
}

}  // namespace shoal
