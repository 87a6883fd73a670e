// One column, system fonts; wide tables scroll by themselves.
#include "bench/html_page.h"

#include <fmt/format.h>

#include "bench/plot.h"

namespace anchorhold::bench::page {
namespace {

using plot::escaped;

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--ground:#fff;--ink:#1c2024;--soft:#56606b;--line:#d9dee3;--band:#f4f6f8;--mark:#1666c0}
@media (prefers-color-scheme:dark){:root{--ground:#14171a;--ink:#e8ebee;--soft:#9aa5b1;--line:#353c44;--band:#1c2126;--mark:#6cb0f5}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .5rem}
h2{font-size:1.25rem;margin:3rem 0 .75rem;padding-top:.75rem;border-top:1px solid var(--line)}
p{max-width:44rem}.soft{color:var(--soft)}
.cards{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.5rem 0 0;padding:0;list-style:none}
.cards li{flex:1 1 10rem;border:1px solid var(--line);border-top:3px solid var(--mark);border-radius:6px;padding:.75rem 1rem}
.cards strong{display:block;font-size:1.6rem;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.92rem}
caption{text-align:left;color:var(--soft);padding:0 0 .4rem}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child{text-align:left;white-space:normal;min-width:14rem}
thead th{background:var(--band);vertical-align:bottom}tbody th{font-weight:400}
pre{background:var(--band);border:1px solid var(--line);border-radius:6px;padding:.75rem 1rem;overflow-x:auto;font-size:.85rem;white-space:pre-wrap;overflow-wrap:anywhere}
svg{width:100%;height:auto;margin:1rem 0}details{margin:.5rem 0}summary{cursor:pointer}
summary:focus-visible,a:focus-visible{outline:2px solid var(--mark);outline-offset:2px}
@media print{main{max-width:none}h2{break-after:avoid}svg,table{break-inside:avoid}}
)";

}  // namespace

std::string html(const Table& table) {
    // A region that scrolls has to be reachable by keyboard.
    std::string text = fmt::format(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table>"
        "<caption>{0}</caption>\n<thead><tr>",
        escaped(table.caption));
    for (const std::string& column : table.columns) {
        text += fmt::format("<th scope=\"col\">{}</th>", escaped(column));
    }
    text += "</tr></thead>\n<tbody>\n";
    for (const auto& row : table.rows) {
        text += "<tr>";
        for (size_t index = 0; index < row.size(); ++index) {
            text += index == 0 ? fmt::format("<th scope=\"row\">{}</th>", escaped(row[index]))
                               : fmt::format("<td>{}</td>", escaped(row[index]));
        }
        text += "</tr>\n";
    }
    return text + "</tbody></table></div>\n";
}

std::string preformatted(std::string_view text) {
    std::string result = "<pre>";
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        result += escaped(line);
        text.remove_prefix(line.size());
        if (!text.empty()) {
            result += '\n';
            text.remove_prefix(1);
        }
    }
    return result + "</pre>\n";
}

std::string section(std::string_view title, std::string_view body) {
    return fmt::format("<section>\n<h2>{}</h2>\n{}</section>\n", escaped(title), body);
}

std::string document(std::string_view title, std::string_view body) {
    return fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n{2}"
        "</main>\n</body>\n</html>\n",
        escaped(title), kStyle, body);
}

}  // namespace anchorhold::bench::page
