#!/usr/bin/awk -f
# Three small plots side by side, for benches/growth.sh: scrape, CPU of a poll, memory; a line for series and one for jobs.
# Input: kind count series bytes plain_ms gzip_ms cpu_ms rss_mb peak_mb first_s
function log10(x) { return log(x > 0 ? x : 0.01) / log(10) }
function max(a, b) { return a > b ? a : b }
function min(a, b) { return a < b ? a : b }
function x_of(panel, count) { return 60 + panel * 300 + (log10(count) - 3) * 70 }
function y_of(panel, value) { return 240 - (log10(value) - low[panel]) * 190 / (high[panel] - low[panel]) }
function note(panel, kind, column) {
  line[panel, kind] = line[panel, kind] " " $2 ":" $column
  low[panel] = min(low[panel], int(log10($column)) - (log10($column) < 0))
  high[panel] = max(high[panel], int(log10($column)) + 1)
}
BEGIN { for (p = 0; p < 3; p++) { low[p] = 9; high[p] = -9 } }
{ note(0, $1, 6); note(1, $1, 7); note(2, $1, 8) }
END {
  title[0] = "a scrape, gzip (ms)"; title[1] = "CPU of a poll (ms)"; title[2] = "RSS (MB)"
  colour["series"] = "#1f77b4"; colour["jobs"] = "#d95f02"
  print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 920 300\" font-family=\"sans-serif\" font-size=\"12\">"
  print "<title>How cost grows with series and with jobs</title><rect width=\"920\" height=\"300\" fill=\"#fff\"/>"
  for (p = 0; p < 3; p++) {
    printf "<text x=\"%d\" y=\"30\" font-weight=\"bold\">%s</text>\n", x_of(p, 1000), title[p]
    for (d = low[p]; d <= high[p]; d++)
      printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", \
        x_of(p, 1000), x_of(p, 1e6), y_of(p, 10 ^ d), y_of(p, 10 ^ d), x_of(p, 1000) - 6, y_of(p, 10 ^ d) + 4, 10 ^ d
    split("1k 10k 100k 1M", name, " ")
    for (d = 3; d <= 6; d++)
      printf "<text x=\"%.1f\" y=\"258\" text-anchor=\"middle\">%s</text>\n", x_of(p, 10 ^ d), name[d - 2]
    for (kind in colour) {
      n = split(line[p, kind], points, " "); path = ""
      for (i = 1; i <= n; i++) {
        split(points[i], pair, ":"); x = x_of(p, pair[1]); y = y_of(p, pair[2])
        path = path sprintf(" %.1f,%.1f", x, y)
        printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"><title>%s %s: %s</title></circle>\n", x, y, colour[kind], pair[1], kind, pair[2]
      }
      printf "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", path, colour[kind]
    }
  }
  print "<text x=\"60\" y=\"288\" fill=\"#1f77b4\">over series (storage units)</text><text x=\"260\" y=\"288\" fill=\"#d95f02\">over jobs in the window</text>"
  print "</svg>"
}
