EXEC digitalocean.compute.image_actions.image_actions_post 
@image_id='{{ image_id }}' --required;
