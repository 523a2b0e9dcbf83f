// What the pages that we write share: text, tables and one look.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shoal {

// Text for the inside of an element or a quoted attribute: & < > " ' become entities, and control
// characters, which no page may hold, become U+FFFD.
std::string HtmlText(std::string_view text);

// A column's title is plain text. Numbers stand on the right; text stands on the left and is wrapped.
struct HtmlColumn {
  enum class Kind { kNumber, kText };

  HtmlColumn(const char* t, Kind k = Kind::kNumber) : title(t), kind(k) {}
  HtmlColumn(std::string t, Kind k = Kind::kNumber) : title(std::move(t)), kind(k) {}

  std::string title;
  Kind kind;
};

// The cells of a row, as HTML: one for each column.
using HtmlCells = std::vector<std::string>;

// A table in a frame that scrolls by itself where it is too wide. The first column names the row. On a
// phone, the rows of one with more than four columns are blocks of lines "title value" instead.
std::string HtmlTable(const std::vector<HtmlColumn>& columns, const std::vector<HtmlCells>& rows);

// A page with the shared look, as well-formed XHTML. The title is plain text, the body HTML.
std::string HtmlPage(const std::string& title, const std::string& body);

}  // namespace shoal
