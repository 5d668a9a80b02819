# Text tools: sed, awk, sort, cut, tr, grep and their kin.
cat > people <<END
ann:30:paris
bob:25:rome
cid:35:oslo
dan:25:rome
END
awk -F: '{ age[$3] += $2; n[$3]++ } END { for (c in age) print c, age[c] / n[c] }' people | sort
awk 'BEGIN { printf "%5.2f|%-6s|%03d|%x\n", 3.14159, "ab", 7, 255; print length("hello"), substr("hello", 2, 3), toupper("x"), index("abc", "c") }'
awk -F: '$2 < 30 { print NR ": " $1; next } { skipped++ } END { print "skipped", skipped }' people
sed -n 's/^\(b[^:]*\):\([0-9]*\).*/\2 \1/p; /cid/,$p' people
sed -e '2d' -e 's/:/ /g' -e '$a\
the end' people
sort -t: -k2,2n -k1,1r people; cut -d: -f1,3 people | tail -n 2
grep -c rome people; grep -v -E '^(ann|cid)' people; grep -n os people
tr 'a-z' 'A-Z' < people | head -n 1; tr -d '0-9' < people | head -n 1
uniq -d <<END
x
x
y
END
printf '%s\n' 10 9 100 | sort -n | tr '\n' ' '; echo
expr 7 \* 6; echo '2^10 + 1' | bc 2>/dev/null || echo "no bc"
od -c people | head -n 1; hexdump -C people | head -n 1
echo "one two three" | xargs -n 1 echo item
fold -w 5 people | head -n 3; nl people | head -n 1 | tr -s ' '
date -u -d @86400 '+%Y-%m-%d %H:%M:%S'; printf '%b\n' 'tab\tend'
base64 people | head -n 1; echo aGk= | base64 -d; echo
crc32 people
