// The pieces of an HTML page: a table with headings for both directions, a section, a page with its
// style.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anchorhold::bench::page {

// Texts are plain: they are escaped here. The first column names its row; the others are figures.
struct Table {
    std::string caption;
    std::vector<std::string> columns;
    std::vector<std::vector<std::string>> rows;
};
[[nodiscard]] std::string html(const Table& table);

// As <pre>: line breaks stay, everything else is escaped.
[[nodiscard]] std::string preformatted(std::string_view text);

// `body` is HTML.
[[nodiscard]] std::string section(std::string_view title, std::string_view body);
[[nodiscard]] std::string document(std::string_view title, std::string_view body);

}  // namespace anchorhold::bench::page
