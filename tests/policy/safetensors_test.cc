#include "common/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace shoal {
namespace {

using ::testing::HasSubstr;

// A file's bytes around a header and data, with the header's true length unless another is given.
std::string FileOf(const std::string& header, const std::string& data, int64_t length = -1) {
  const uint64_t n = length < 0 ? header.size() : static_cast<uint64_t>(length);
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(n >> (8 * i)));
  return bytes + header + data;
}

SafetensorsFile SmallFile() {
  SafetensorsFile file;
  file.metadata = {{"format", "test"}, {"quote", "\"\\\n\xc3\xa9"}};
  file.tensors["b"] = {"F32", {2, 3}, std::string("abcdefghijklmnopqrstuvwx")};
  file.tensors["a"] = {"U8", {3}, "xyz"};
  file.tensors["scalar"] = {"I64", {}, "12345678"};
  file.tensors["none"] = {"F64", {0, 5}, ""};
  return file;
}

TEST(Safetensors, WritesTheFormatToTheByte) {
  SafetensorsFile file;
  file.metadata["k"] = "v";
  file.tensors["t"] = {"F32", {1}, std::string("\x00\x00\x80\x3f", 4)};
  file.tensors["s"] = {"U8", {2}, "hi"};
  const std::string header =
      R"({"__metadata__":{"k":"v"},"s":{"data_offsets":[4,6],"dtype":"U8","shape":[2]},)"
      R"("t":{"data_offsets":[0,4],"dtype":"F32","shape":[1]}})";
  const std::string padding((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(*SerializeSafetensors(file),
            FileOf(header + padding, std::string("\x00\x00\x80\x3fhi", 6)));
}

TEST(Safetensors, ReadsWhatItWrites) {
  const SafetensorsFile file = SmallFile();
  const auto bytes = SerializeSafetensors(file);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const auto read = ParseSafetensors(*bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, file);
  EXPECT_EQ(*SerializeSafetensors(*read), *bytes);
}

TEST(Safetensors, ReadsOtherOrdersAndPadding) {
  const auto file = ParseSafetensors(FileOf(
      "{\"b\":{\"shape\":[1],\"dtype\":\"U8\",\"data_offsets\":[0,1]}, \"a\":{\"dtype\":\"U8\","
      "\"data_offsets\":[1,3],\"shape\":[2,1]}}   ",
      "123"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->tensors.at("b").data, "1");
  EXPECT_EQ(file->tensors.at("a").data, "23");
}

TEST(Safetensors, RefusesEveryTruncationAndExtension) {
  const std::string bytes = *SerializeSafetensors(SmallFile());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParseSafetensors(bytes.substr(0, size)).ok()) << size << " bytes";
  }
  EXPECT_FALSE(ParseSafetensors(bytes + '\0').ok());
}

// Whatever a changed byte makes of a file, reading it ends with a valid file or an error.
TEST(Safetensors, SurvivesEveryChangedByte) {
  const std::string bytes = *SerializeSafetensors(SmallFile());
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int change : {1, 2, 16, 64, 128, 255}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ change);
      const auto read = ParseSafetensors(changed);
      if (read.ok()) {
        EXPECT_TRUE(SerializeSafetensors(*read).ok());
      }
    }
  }
}

struct BadFile {
  const char* name;
  std::string bytes;
  std::string message;
};

class SafetensorsBadFile : public ::testing::TestWithParam<BadFile> {};

TEST_P(SafetensorsBadFile, IsRefusedWithItsReason) {
  const auto file = ParseSafetensors(GetParam().bytes);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(file.status().message()), HasSubstr(GetParam().message));
}

std::string Tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

INSTANTIATE_TEST_SUITE_P(
    All, SafetensorsBadFile,
    ::testing::Values(
        BadFile{"LongHeader", FileOf("{}", "", 100'000'001), "at most 100000000"},
        BadFile{"HugeHeader", FileOf("{}", "", INT64_MAX), "at most 100000000"},
        BadFile{"HeaderBeyondFile", FileOf("{}", "", 3), "only 2 follow"},
        BadFile{"EmptyHeader", FileOf("", ""), "must begin with {"},
        BadFile{"SpaceFirst", FileOf(" {}", ""), "must begin with {"},
        BadFile{"List", FileOf("[]", ""), "must begin with {"},
        BadFile{"NoJson", FileOf("{\"a\"", ""), "not valid JSON"},
        BadFile{"TwoValues", FileOf("{}{}", ""), "not valid JSON"},
        BadFile{"NotUtf8", FileOf("{\"\xff\":1}", ""), "not valid JSON"},
        BadFile{"Deep", FileOf("{\"a\":" + std::string(100000, '['), ""), "a list"},
        BadFile{"DeepObject", FileOf("{\"a\":{\"shape\":{", ""), "an object"},
        BadFile{"TensorIsNumber", FileOf("{\"a\":1}", ""), "a number at the key \"a\""},
        BadFile{"NullField", FileOf("{\"a\":{\"dtype\":null}}", ""), "null"},
        BadFile{"MetadataNumber", FileOf("{\"__metadata__\":{\"a\":1}}", ""), "a number"},
        BadFile{"NegativeSize", FileOf("{" + Tensor("a", "U8", "[-1]", "[0,1]") + "}", "x"),
                "negative"},
        BadFile{"FractionalSize", FileOf("{" + Tensor("a", "U8", "[1.5]", "[0,1]") + "}", "x"),
                "a fraction"},
        BadFile{"ThreeOffsets", FileOf("{" + Tensor("a", "U8", "[1]", "[0,1,1]") + "}", "x"),
                "data_offsets [begin, end]"},
        BadFile{"NoShape", FileOf("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", "x"),
                "must have dtype, shape"},
        BadFile{"UnknownField", FileOf("{\"a\":{\"stride\":1}}", ""), "the field \"stride\""},
        BadFile{"UnknownDtype", FileOf("{" + Tensor("a", "F16", "[1]", "[0,2]") + "}", "xy"),
                "F32, F64, I64 and U8"},
        BadFile{"DuplicateTensor",
                FileOf("{" + Tensor("a", "U8", "[1]", "[0,1]") + "," +
                           Tensor("a", "U8", "[1]", "[0,1]") + "}",
                       "x"),
                "the key \"a\" twice"},
        BadFile{"DuplicateMetadata", FileOf("{\"__metadata__\":{},\"__metadata__\":{}}", ""),
                "\"__metadata__\" twice"},
        BadFile{"DuplicateMetadataKey", FileOf("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", ""),
                "the key \"a\" twice"},
        BadFile{"DuplicateField", FileOf("{\"a\":{\"shape\":[1],\"shape\":[1]}}", ""),
                "the key \"shape\" twice"},
        BadFile{"WrongSize", FileOf("{" + Tensor("a", "F32", "[2]", "[0,4]") + "}", "1234"),
                "ask for 8"},
        BadFile{"Overflow",
                FileOf("{" + Tensor("a", "F32", "[4294967296,4294967296]", "[0,0]") + "}", ""),
                "more than can be addressed"},
        BadFile{"OutOfRange", FileOf("{" + Tensor("a", "U8", "[2]", "[0,2]") + "}", "x"),
                "1 bytes of data"},
        BadFile{"Backwards", FileOf("{" + Tensor("a", "U8", "[1]", "[1,0]") + "}", "x"),
                "lies at [1, 0)"},
        BadFile{"Overlap",
                FileOf("{" + Tensor("a", "U8", "[2]", "[0,2]") + "," +
                           Tensor("b", "U8", "[2]", "[1,3]") + "}",
                       "xyz"),
                "overlap"},
        BadFile{"Gap",
                FileOf("{" + Tensor("a", "U8", "[1]", "[0,1]") + "," +
                           Tensor("b", "U8", "[1]", "[2,3]") + "}",
                       "xyz"),
                "gaps"},
        BadFile{"LeftOver", FileOf("{" + Tensor("a", "U8", "[1]", "[0,1]") + "}", "xyz"),
                "2 bytes after the last tensor"}),
    [](const auto& info) { return info.param.name; });

TEST(Safetensors, RefusesToWriteWhatItCouldNotRead) {
  SafetensorsFile file;
  file.tensors["a"] = {"F32", {2}, "1234"};
  EXPECT_THAT(std::string(SerializeSafetensors(file).status().message()), HasSubstr("ask for 8"));
  file.tensors["a"] = {"F16", {2}, "1234"};
  EXPECT_THAT(std::string(SerializeSafetensors(file).status().message()), HasSubstr("F16"));
  file.tensors["a"] = {"U8", {-1}, ""};
  EXPECT_FALSE(SerializeSafetensors(file).ok());
  file.tensors.clear();
  file.tensors["__metadata__"] = {"U8", {1}, "x"};
  EXPECT_FALSE(SerializeSafetensors(file).ok());
  file.tensors.clear();
  file.metadata["a"] = "\xff";
  EXPECT_THAT(std::string(SerializeSafetensors(file).status().message()), HasSubstr("UTF-8"));
}

}  // namespace
}  // namespace shoal
