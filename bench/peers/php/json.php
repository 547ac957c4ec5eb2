<?php
$items = [];
for ($index = 0; $index < 80; $index++) {
    $items[] = [
        'id' => 1000 + $index,
        'name' => 'item ' . (1000 + $index),
        'description' => 'plain words and nothing that needs an escape',
        'stock' => 100 + $index,
        'tags' => ['first', 'second'],
    ];
}
header('Content-Type: application/json');
$text = json_encode(['items' => $items]);
header('Content-Length: ' . strlen($text));
echo $text;
