# Clone, change, push; a large file goes by LFS there and back.
set -e
git config --global user.name agent
git config --global user.email agent@example.com
git lfs install --skip-repo
git clone -q https://github.com/octo/tiny
cd tiny
cat README
git lfs track '*.bin'
head -c 100000 /dev/urandom > data.bin
git add .
git commit -q -m 'from the guest'
git push -q origin main
cd ..
git clone -q https://github.com/octo/tiny again
cmp tiny/data.bin again/data.bin
echo "git: came back as it went"
