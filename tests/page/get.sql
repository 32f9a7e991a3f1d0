SELECT
id,
resource_id,
completed_at,
region,
region_slug,
resource_type,
started_at,
status,
type
FROM digitalocean.compute.image_actions
WHERE image_id = '{{ image_id }}' -- required
AND action_id = '{{ action_id }}' -- required;
