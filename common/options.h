#pragma once

// The options of a run outside of the command line: single values checked, files read and written.
// Everything here follows from the fields of v1::RunOptions and their OptionSpec; what options mean
// together (contradictions, lists, what "the curriculum's sum" is) is not known here.
//
// An option that is not set has no value of its own. Three sets of options are laid over each other
// by base.MergeFrom(file), then .MergeFrom(command_line): what is set in the later one wins.
//
// Functions are pure apart from ReadOptionsFile, and thread-safe. Errors are kInvalidArgument
// unless said otherwise; they read like "--lr_schedule wobble: accepted are constant, linear,
// cosine, warm_cosine".

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

// The options that can be given, in the order of their field numbers (without the record-only
// ones).
const std::vector<const google::protobuf::FieldDescriptor*>& RunOptionFields();

// The field of an option, named with or without "--". An unknown name is an error that offers the
// nearest one.
absl::StatusOr<const google::protobuf::FieldDescriptor*> FindRunOption(std::string_view name);

// The option's heading in --help and in files: "General", "PPO", "World", ...
const char* OptionGroup(const google::protobuf::FieldDescriptor* field);

// What the option's values may be: "whole numbers from 1 to 1000", "constant, linear", "on, off,
// ...".
std::string AcceptedValues(const google::protobuf::FieldDescriptor* field);

// The option's default, as WriteOptions writes it; what stands in for one ("the curriculum's sum")
// where the field has none.
std::string DefaultText(const google::protobuf::FieldDescriptor* field);

// Whether text is a value of an on-off option: on, off, true, false, 1, 0.
bool IsSwitchWord(std::string_view text);

// Sets one option from text, the way the command line spells it: whole numbers as such, numbers
// like 2.5e-4, IsSwitchWord's words, any text for strings. The value is checked; on an error
// nothing is set.
absl::Status SetOption(const google::protobuf::FieldDescriptor* field, std::string_view text,
                       v1::RunOptions& options);

// One option, if it is set, against its OptionSpec. Numbers must be finite.
absl::Status CheckOptionValue(const v1::RunOptions& options,
                              const google::protobuf::FieldDescriptor* field);

// Every option that is set; the first wrong one is reported.
absl::Status CheckOptionValues(const v1::RunOptions& options);

// Reads options in protobuf's text format, as WriteOptions writes them. Every value is checked, and
// unknown names get the nearest known one: "my.textproto:3:1: ...". `written_by` is read too.
// Errors of reading the file are ReadFile's.
absl::StatusOr<v1::RunOptions> ReadOptionsFile(const std::string& path);

// The same for text in hand; `name` stands for the file in messages.
absl::StatusOr<v1::RunOptions> ParseOptions(const std::string& text, const std::string& name);

// Every option on a line of its own, in field order and under its group's heading. Options that are
// not set are written with their defaults; those without a default become a comment that says what
// applies. Numbers are as short as they can be without losing a bit. The header, if not empty,
// becomes a comment at the top. Equal options give equal text, and ParseOptions gives back the same
// options with the defaults set.
std::string WriteOptions(const v1::RunOptions& options, std::string_view header);

// A number as short as it can be while giving the same double when it is read again: 0.00025, 100,
// 1e-05.
std::string ShortestDouble(double value);

// The candidate nearest to `name` by edit distance, if it is near enough to have been meant; else
// "".
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace shoal
