# SPDX-License-Identifier: GPL-2.0
# gnuplot -c bench.gnuplot FILE SVG: lines of title, share of the goal, colour, label

set terminal svg size 1000,520 font "sans-serif,13" noenhanced background "white"
set output ARG2
set datafile separator "\t"
set style fill solid
set yrange [-0.6:*] reverse
set xrange [0:*]
set offsets 0, 1.5, 0.6, 0
set xlabel "share of the goal: less is better, up to the line it is met"
set arrow from 1, graph 0 to 1, graph 1 nohead linewidth 2 front
set tics scale 0
unset key
plot ARG1 using (0):0:(0):2:($0 - 0.35):($0 + 0.35):3:ytic(1) with boxxyerror linecolor rgb variable, \
	"" using ($2 > 1 ? $2 : 1):0:4 with labels left offset 0.5
