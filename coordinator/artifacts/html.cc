#include "coordinator/artifacts/html.h"

#include "absl/strings/str_cat.h"

namespace shoal {
namespace {

// For a desk and for a phone.
const char* const kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#1b2530;background:#fff}"
    "h1{font-size:1.5rem;overflow-wrap:anywhere;margin:.2rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:1px solid #d5dce3}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}td,th{padding:.25rem .6rem;border-bottom:1px solid #e3e8ed;"
    "text-align:right;white-space:nowrap}th{white-space:normal;vertical-align:bottom}td:first-child,th:first-child,.text{text-align:left}"
    "td.text{white-space:normal;overflow-wrap:anywhere;min-width:8rem}.many td,.many th{padding:.25rem .4rem}"
    "ul{list-style:none;padding:0}li{margin:.4rem 0;padding:.4rem .7rem;border-left:5px solid;background:#f5f7f9;overflow-wrap:anywhere}"
    ".problem{border-color:#b3261e}.warning{border-color:#d98200}.note{border-color:#7b8894}.good{border-color:#2f8f4e}"
    "b.met{color:#1d7a3c}b.missed{color:#b3261e}.small{font-size:.85rem;color:#55626e}svg{width:100%;height:auto;font-size:13px;fill:#44505c}"
    "figure{margin:.5rem 0}video{width:100%;max-width:30rem;height:auto;background:#000}.videos{display:grid;gap:1rem;"
    "grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr))}figcaption{font-size:.85rem;color:#55626e}"
    "@media(max-width:600px){svg{font-size:19px}td,th{white-space:normal;overflow-wrap:anywhere}td:first-child{min-width:6rem}td.text{min-width:5rem}"
    ".many thead{display:none}.many table,.many tbody{display:block}.many tr{display:block;border-bottom:2px solid #d5dce3;padding:.4rem 0}"
    ".many td{display:flex;justify-content:space-between;gap:1rem;border:0;padding:.1rem 0;text-align:right}"
    ".many td::before{content:attr(data-title);color:#55626e;text-align:left;flex:none}}";

constexpr size_t kManyColumns = 5;

const char* ClassOf(const HtmlColumn& column) {
  return column.kind == HtmlColumn::Kind::kText ? " class=\"text\"" : "";
}

}  // namespace

std::string HtmlText(std::string_view text) {
  std::string html;
  for (const char c : text) {
    if (c == '&') html += "&amp;";
    else if (c == '<') html += "&lt;";
    else if (c == '>') html += "&gt;";
    else if (c == '"') html += "&quot;";
    else if (c == '\'') html += "&#39;";
    else if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') html += "\xEF\xBF\xBD";
    else html += c;
  }
  return html;
}

std::string HtmlTable(const std::vector<HtmlColumn>& columns, const std::vector<HtmlCells>& rows) {
  const bool many = columns.size() >= kManyColumns;
  std::string html = absl::StrCat("<div class=\"wide", many ? " many" : "", "\"><table><thead><tr>");
  for (const HtmlColumn& column : columns) {
    absl::StrAppend(&html, "<th", ClassOf(column), ">", HtmlText(column.title), "</th>");
  }
  html += "</tr></thead><tbody>\n";
  for (const HtmlCells& cells : rows) {
    html += "<tr>";
    for (size_t i = 0; i < cells.size() && i < columns.size(); ++i) {
      const std::string title = many ? absl::StrCat(" data-title=\"", HtmlText(columns[i].title), "\"") : "";
      absl::StrAppend(&html, "<td", ClassOf(columns[i]), title, ">", cells[i], "</td>");
    }
    html += "</tr>\n";
  }
  return absl::StrCat(html, "</tbody></table></div>\n");
}

std::string HtmlPage(const std::string& title, const std::string& body) {
  const std::string name = HtmlText(title);
  return absl::StrCat(
      "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><head><meta charset=\"utf-8\"/>"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/><title>",
      name, "</title><style>", kStyle, "</style></head><body>\n<h1>", name, "</h1>\n", body, "</body></html>\n");
}

}  // namespace shoal
