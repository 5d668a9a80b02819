# The shell's own language: expansion, arithmetic, functions, loops, case, here-documents, command substitution.
set -u
greet() { local who=${1:-world}; echo "hello, $who"; return 3; }
greet; echo "status $?"
greet "two words"
for i in 1 2 3; do
  case $i in
    1) echo one ;;
    2 | 3) echo "more: $((i * 10 + 1))" ;;
  esac
done
n=0
while [ $n -lt 3 ]; do n=$((n + 1)); [ $n -eq 2 ] && continue; echo "n=$n"; done
text="a b  c"; set -- $text; echo "$# words: $1,$2,$3"
echo "${text#a } ${text%c}|${#text}|${missing:-default}|${text:+set}"
cat <<END
here: $n and $(echo nested $(echo twice))
END
cat <<'END'
literal: $n
END
(cd /; echo "subshell"; exit 4); echo "subshell ended with $?"
false || echo "or"; true && echo "and"
! true; echo "not: $?"
trap 'echo "trap: leaving"' EXIT
echo "braces: { $(printf '%s-' x y z) }"
eval 'echo "evaluated $n"'
unset text; echo "unset: ${text-gone}"
readonly fixed=1; (fixed=2) 2>/dev/null; echo "readonly $fixed $?"
type cd >/dev/null && echo "cd is known"
