# What file tools do to a file system.
umask 022
mkdir -p tree/a/b tree/c; echo 1 > tree/a/one; echo 22 > tree/a/b/two; printf '%0100d\n' 7 > tree/c/three
ln -s a/one tree/link; ln tree/a/one tree/hard
find tree | sort
find tree -type f -size +0 | sort | xargs cat | wc -c
find tree -name 't*' -exec basename {} \; | sort
ls -l tree | awk 'NR > 1 { print $1, $2, $NF }'
stat -c '%n %F %s %a %h' tree tree/a/one tree/link tree/c/three | sed 's/directory [0-9]*/directory/'
readlink tree/link; cat tree/link
cp -r tree copy; diff -r tree copy && echo "same"
mv copy/a copy/moved; rm copy/c/three; diff -r tree copy | sort
chmod 640 tree/a/one; stat -c %a tree/a/one tree/hard
touch -d '2020-02-03 04:05:06' tree/a/one; stat -c %Y tree/a/one
tar cf all.tar tree; tar tf all.tar | sort; mkdir out; tar xf all.tar -C out; diff -r tree out/tree && echo "unpacked"
gzip -c all.tar > all.tar.gz; gunzip -c all.tar.gz | cmp - all.tar && echo "round trip"
sha256sum tree/a/b/two tree/c/three; md5sum tree/a/one
dd if=/dev/zero of=big bs=1024 count=100 2>/dev/null; ls -s big | awk '{ print ($1 >= 100) }'; wc -c big
truncate -s 10 big; wc -c < big
rmdir tree 2>/dev/null || echo "not empty"; rm -r tree; ls tree 2>/dev/null || echo "gone"
test -e out && test ! -e tree && echo "tests hold"
pwd | sed 's,.*/,,' | wc -l; cd out; mkdir sub; cd sub; cd ..; basename "$(pwd)"
df . > /dev/null && echo "df"; du -s . > /dev/null && echo "du"
