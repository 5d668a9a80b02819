# Pipes, redirections, background jobs and waiting for them.
seq 1 1000 | awk '{ s += $1 } END { print "sum", s }'
seq 1 20000 | head -n 2
yes | head -n 3 | tr y z
echo one > file; echo two >> file; cat < file
ls none 2> errors; echo "ls: $?"; wc -l < errors
{ echo out; echo err >&2; } > both 2>&1; sort both
exec 3> third; echo "by descriptor" >&3; exec 3>&-; cat third
read line < file; echo "read: $line"
printf 'a\nb\nc\n' | while read x; do echo "<$x>"; done
(sleep 0.05; echo late) & pid=$!
echo early; wait $pid; echo "waited: $?"
(exit 9) & wait $!; echo "job ended with $?"
sleep 30 & kill $!; wait $! 2>/dev/null; echo "killed: $?"
sh -c 'kill -SEGV $$' 2>/dev/null; echo "signalled: $?"
sh -c 'trap "echo caught; exit 5" TERM; kill -TERM $$; echo unreachable'; echo "trapped: $?"
sort <<END | uniq -c | sed 's/^ *//'
b
a
b
END
cat /dev/null; echo zeros > /dev/null; head -c 5 /dev/zero | od -An -tx1 | tr -d ' '
echo "substituted $(cat file | tr '\n' '+')"
mkfifo_missing() { :; }; mkfifo_missing
seq 5 | tee copy | wc -l; cat copy | tr '\n' ' '; echo
