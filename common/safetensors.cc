#include "common/safetensors.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace shoal {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr size_t kLengthBytes = 8;
constexpr size_t kDataAlignment = 8;

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("safetensors: ", what));
}

// A name as it may be shown: names come from files and may hold anything.
std::string Quoted(const std::string& name) {
  constexpr size_t kShown = 80;
  return absl::StrCat("\"", absl::Utf8SafeCEscape(name.substr(0, kShown)),
                      name.size() > kShown ? "...\"" : "\"");
}

absl::StatusOr<uint64_t> ElementSize(const std::string& name, const std::string& dtype) {
  if (dtype == "F64" || dtype == "I64") return 8;
  if (dtype == "F32") return 4;
  if (dtype == "U8") return 1;
  return Invalid(absl::StrCat("tensor ", Quoted(name), " has dtype ", Quoted(dtype),
                              "; F32, F64, I64 and U8 are known"));
}

// The bytes that dtype and shape ask for.
absl::StatusOr<uint64_t> ByteSize(const std::string& name, const std::string& dtype,
                                  const std::vector<int64_t>& shape) {
  absl::StatusOr<uint64_t> size = ElementSize(name, dtype);
  if (!size.ok()) return size.status();
  uint64_t total = *size;
  for (int64_t dim : shape) {
    if (dim < 0) {
      return Invalid(
          absl::StrCat("tensor ", Quoted(name), " has a size of ", dim, "; sizes are at least 0"));
    }
    if (dim > 0 && total > std::numeric_limits<uint64_t>::max() / static_cast<uint64_t>(dim)) {
      return Invalid(absl::StrCat("tensor ", Quoted(name), " has shape [",
                                  absl::StrJoin(shape, ", "), "], more than can be addressed"));
    }
    total *= static_cast<uint64_t>(dim);
  }
  return total;
}

// A tensor's entry in the header. Optional fields tell "absent" and "given twice".
struct Entry {
  std::optional<std::string> dtype;
  std::optional<std::vector<uint64_t>> shape;
  std::optional<std::vector<uint64_t>> offsets;
};

// Reads the header event by event, so that a duplicate key is seen and nesting that cannot be a
// header ends the parse at once instead of being stored.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  const std::string& error() const { return error_; }
  std::map<std::string, std::string>& metadata() { return metadata_; }
  const std::map<std::string, Entry>& entries() const { return entries_; }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return Unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return Unexpected("a fraction"); }
  bool binary(binary_t&) override { return Unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::kNumbers) return Unexpected("a number");
    numbers_->push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      metadata_[key_] = std::move(value);
      return true;
    }
    if (place_ != Place::kEntry || key_ != "dtype") return Unexpected("a string");
    entry_->dtype = std::move(value);
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kRoot;
    } else if (place_ == Place::kRoot) {
      place_ = key_ == kMetadataKey ? Place::kMetadata : Place::kEntry;
    } else {
      return Unexpected("an object");
    }
    return true;
  }

  bool end_object() override {
    place_ = place_ == Place::kRoot ? Place::kEnd : Place::kRoot;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kEntry || key_ == "dtype") return Unexpected("a list");
    numbers_ = key_ == "shape" ? &entry_->shape.emplace() : &entry_->offsets.emplace();
    place_ = Place::kNumbers;
    return true;
  }

  bool end_array() override {
    place_ = Place::kEntry;
    return true;
  }

  bool key(string_t& value) override {
    key_ = std::move(value);
    if (place_ == Place::kMetadata) {
      return metadata_.emplace(key_, "").second || Duplicate();
    }
    if (place_ == Place::kRoot) {
      if (key_ == kMetadataKey) return !std::exchange(has_metadata_, true) || Duplicate();
      auto [it, inserted] = entries_.try_emplace(key_);
      entry_ = &it->second;
      return inserted || Duplicate();
    }
    if (key_ == "dtype") return !entry_->dtype || Duplicate();
    if (key_ == "shape") return !entry_->shape || Duplicate();
    if (key_ == "data_offsets") return !entry_->offsets || Duplicate();
    return Fail(absl::StrCat("a tensor has the field ", Quoted(key_),
                             "; dtype, shape and data_offsets are known"));
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail(absl::StrCat("the header is not valid JSON near its byte ", position));
  }

 private:
  enum class Place { kStart, kRoot, kMetadata, kEntry, kNumbers, kEnd };

  bool Fail(std::string what) {
    error_ = std::move(what);
    return false;
  }
  bool Duplicate() { return Fail(absl::StrCat("the header has the key ", Quoted(key_), " twice")); }
  bool Unexpected(const std::string& what) {
    return Fail(absl::StrCat("the header has ", what, " at the key ", Quoted(key_),
                             ", where the format has none"));
  }

  Place place_ = Place::kStart;
  std::string key_;
  bool has_metadata_ = false;
  Entry* entry_ = nullptr;
  std::vector<uint64_t>* numbers_ = nullptr;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Entry> entries_;
  std::string error_;
};

struct Range {
  uint64_t begin;
  uint64_t end;
  const std::string* name;
};

// Turns an entry into a tensor with its part of `data`; adds that part to `ranges`.
absl::StatusOr<SafetensorsTensor> TakeTensor(const std::string& name, const Entry& entry,
                                             std::string_view data, std::vector<Range>& ranges) {
  if (!entry.dtype || !entry.shape || !entry.offsets || entry.offsets->size() != 2) {
    return Invalid(absl::StrCat("tensor ", Quoted(name),
                                " must have dtype, shape and data_offsets [begin, end]"));
  }
  SafetensorsTensor tensor{*entry.dtype, {}, {}};
  for (uint64_t dim : *entry.shape) {
    if (dim > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return Invalid(absl::StrCat("tensor ", Quoted(name), " has a size of ", dim,
                                  ", more than can be addressed"));
    }
    tensor.shape.push_back(static_cast<int64_t>(dim));
  }
  absl::StatusOr<uint64_t> size = ByteSize(name, tensor.dtype, tensor.shape);
  if (!size.ok()) return size.status();
  const uint64_t begin = (*entry.offsets)[0];
  const uint64_t end = (*entry.offsets)[1];
  if (begin > end || end > data.size()) {
    return Invalid(absl::StrCat("tensor ", Quoted(name), " lies at [", begin, ", ", end,
                                "), but there are ", data.size(), " bytes of data"));
  }
  if (end - begin != *size) {
    return Invalid(absl::StrCat("tensor ", Quoted(name), " has ", end - begin,
                                " bytes of data; its dtype and shape ask for ", *size));
  }
  tensor.data = std::string(data.substr(begin, end - begin));
  ranges.push_back({begin, end, &name});
  return tensor;
}

absl::Status CheckRanges(std::vector<Range> ranges, uint64_t data_size) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t at = 0;
  for (const Range& range : ranges) {
    if (range.begin != at) {
      return Invalid(absl::StrCat("tensor ", Quoted(*range.name), " begins at ", range.begin,
                                  " and should at ", at, ": tensors may not ",
                                  range.begin < at ? "overlap" : "leave gaps"));
    }
    at = range.end;
  }
  if (at != data_size) {
    return Invalid(absl::StrCat(data_size - at, " bytes after the last tensor"));
  }
  return absl::OkStatus();
}

uint64_t ReadLength(std::string_view bytes) {
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  }
  return length;
}

std::string WriteLength(uint64_t length) {
  std::string bytes(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i) bytes[i] = static_cast<char>(length >> (8 * i) & 0xff);
  return bytes;
}

}  // namespace

absl::StatusOr<std::string> SerializeSafetensors(const SafetensorsFile& file) {
  struct Part {
    uint64_t element_size;
    const std::string* name;
    const SafetensorsTensor* tensor;
  };
  std::vector<Part> parts;
  for (const auto& [name, tensor] : file.tensors) {
    if (name == kMetadataKey) return Invalid("a tensor may not be called \"__metadata__\"");
    absl::StatusOr<uint64_t> size = ByteSize(name, tensor.dtype, tensor.shape);
    if (!size.ok()) return size.status();
    if (*size != tensor.data.size()) {
      return Invalid(absl::StrCat("tensor ", Quoted(name), " has ", tensor.data.size(),
                                  " bytes of data; its dtype and shape ask for ", *size));
    }
    parts.push_back({*ElementSize(name, tensor.dtype), &name, &tensor});
  }
  // The map has the names in order already.
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.element_size > b.element_size; });

  Json header = Json::object();
  if (!file.metadata.empty()) header[std::string(kMetadataKey)] = file.metadata;
  uint64_t at = 0;
  for (const Part& part : parts) {
    const uint64_t end = at + part.tensor->data.size();
    header[*part.name] = {
        {"dtype", part.tensor->dtype}, {"shape", part.tensor->shape}, {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::type_error&) {
    return Invalid("names of tensors and metadata must be UTF-8");
  }
  text.append((kDataAlignment - text.size() % kDataAlignment) % kDataAlignment, ' ');
  if (text.size() > kMaxSafetensorsHeader) {
    return Invalid(absl::StrCat("the header would have ", text.size(), " bytes; at most ",
                                kMaxSafetensorsHeader, " are allowed"));
  }

  std::string bytes = WriteLength(text.size());
  bytes.reserve(bytes.size() + text.size() + at);
  bytes += text;
  for (const Part& part : parts) bytes += part.tensor->data;
  return bytes;
}

absl::StatusOr<SafetensorsFile> ParseSafetensors(std::string_view bytes) {
  if (bytes.size() < kLengthBytes) {
    return Invalid(absl::StrCat("the file has ", bytes.size(),
                                " bytes; the length of the header alone takes ", kLengthBytes));
  }
  const uint64_t length = ReadLength(bytes);
  if (length > kMaxSafetensorsHeader) {
    return Invalid(absl::StrCat("the header would have ", length, " bytes; at most ",
                                kMaxSafetensorsHeader, " are allowed"));
  }
  if (length > bytes.size() - kLengthBytes) {
    return Invalid(absl::StrCat("the header has ", length, " bytes, but only ",
                                bytes.size() - kLengthBytes, " follow its length"));
  }
  const std::string_view text = bytes.substr(kLengthBytes, length);
  const std::string_view data = bytes.substr(kLengthBytes + length);
  if (text.empty() || text.front() != '{') return Invalid("the header must begin with {");

  HeaderReader header;
  if (!Json::sax_parse(text.begin(), text.end(), &header)) return Invalid(header.error());
  SafetensorsFile file;
  std::vector<Range> ranges;
  for (const auto& [name, entry] : header.entries()) {
    absl::StatusOr<SafetensorsTensor> tensor = TakeTensor(name, entry, data, ranges);
    if (!tensor.ok()) return tensor.status();
    file.tensors.emplace(name, *std::move(tensor));
  }
  if (absl::Status status = CheckRanges(std::move(ranges), data.size()); !status.ok()) {
    return status;
  }
  file.metadata = std::move(header.metadata());
  return file;
}

}  // namespace shoal
